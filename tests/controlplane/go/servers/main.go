// Program servers is etcd and the three servers of a control plane in one: it is the one it is called by.
//
// They share nearly all of their packages, so one link and one file stand for four. The binaries are links to it.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // CronJobs name time zones

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // /metrics: requests of the client
	_ "k8s.io/component-base/metrics/prometheus/version"  // /metrics: kubernetes_build_info
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	servers := map[string]func([]string) int{
		"etcd":                    runEtcd,
		"kube-apiserver":          run(apiserver.NewAPIServerCommand),
		"kube-controller-manager": run(controllers.NewControllerManagerCommand),
		"kube-scheduler":          run(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	}
	server, found := servers[filepath.Base(os.Args[0])]
	if !found {
		names := slices.Sorted(maps.Keys(servers))
		fmt.Fprintf(os.Stderr, "%s: call this program by the name of a server: %s\n", os.Args[0], strings.Join(names, ", "))
		os.Exit(2)
	}
	os.Exit(server(os.Args))
}

// runEtcd returns only when etcd was asked to stop; on an error etcd exits by itself.
func runEtcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

func run(command func() *cobra.Command) func([]string) int {
	return func([]string) int { return cli.Run(command()) }
}
