package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-helpers/storage/volume"
	fwk "k8s.io/kube-scheduler/framework"
	schedulercache "k8s.io/kubernetes/pkg/scheduler/backend/cache"

	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// oracle is the scheduler's framework with the volume plugins alone, in their default order.
//
// Its informers never run: their stores are filled by hand, a scenario at a time.
type oracle struct {
	framework framework.Framework
	stores    map[string]cache.Indexer // by kind
	snapshot  *lister
	written   []apiruntime.Object
}

// lister lets the plugins, which are made once, see the snapshot of the scenario in hand.
type lister struct {
	fwk.SharedLister
}

func newOracle(waitForDrivers bool) (*oracle, error) {
	metrics.Register()
	gate := map[string]bool{string(features.VolumeLimitScaling): waitForDrivers}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(gate); err != nil {
		return nil, err
	}
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	storage, volumes := factory.Storage().V1(), factory.Core().V1()
	made := &oracle{
		snapshot: &lister{schedulercache.NewEmptySnapshot()},
		stores: map[string]cache.Indexer{
			"PersistentVolume":      volumes.PersistentVolumes().Informer().GetIndexer(),
			"PersistentVolumeClaim": volumes.PersistentVolumeClaims().Informer().GetIndexer(),
			"StorageClass":          storage.StorageClasses().Informer().GetIndexer(),
			"CSINode":               storage.CSINodes().Informer().GetIndexer(),
			"CSIDriver":             storage.CSIDrivers().Informer().GetIndexer(),
			"CSIStorageCapacity":    storage.CSIStorageCapacities().Informer().GetIndexer(),
			"VolumeAttachment":      storage.VolumeAttachments().Informer().GetIndexer(),
		},
	}
	// What is written is noted, and answered as it came: it is never read again.
	client.PrependReactor("update", "*", func(action clienttesting.Action) (bool, apiruntime.Object, error) {
		object := action.(clienttesting.UpdateAction).GetObject()
		made.written = append(made.written, object)
		return true, object, nil
	})
	profile, err := volumeProfile()
	if err != nil {
		return nil, err
	}
	made.framework, err = runtime.NewFramework(context.Background(), plugins.NewInTreeRegistry(), profile,
		runtime.WithClientSet(client),
		runtime.WithInformerFactory(factory),
		runtime.WithSnapshotSharedLister(made.snapshot),
		runtime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(storage.CSINodes().Lister())),
	)
	return made, err
}

// volumeProfile is the default profile with nothing but the volume plugins, and the two that every profile must have.
func volumeProfile() (*config.KubeSchedulerProfile, error) {
	defaults, err := latest.Default()
	if err != nil {
		return nil, err
	}
	volume := config.PluginSet{Enabled: []config.Plugin{
		{Name: names.VolumeRestrictions}, {Name: names.NodeVolumeLimits}, {Name: names.VolumeBinding}, {Name: names.VolumeZone},
	}}
	profile := &defaults.Profiles[0]
	for _, each := range profile.PluginConfig {
		if args, is := each.Args.(*config.VolumeBindingArgs); is {
			args.BindTimeoutSeconds = 0 // nobody binds volumes here: after writing there is nothing to wait for
		}
	}
	binding := config.PluginSet{Enabled: []config.Plugin{{Name: names.VolumeBinding}}}
	profile.Plugins = &config.Plugins{
		QueueSort: config.PluginSet{Enabled: []config.Plugin{{Name: names.PrioritySort}}},
		PreFilter: volume,
		Filter:    volume,
		Reserve:   binding,
		PreBind:   binding,
		Bind:      config.PluginSet{Enabled: []config.Plugin{{Name: names.DefaultBinder}}},
	}
	return profile, nil
}

func (o *oracle) ask(asked *scenario, nodes []string) (map[string]verdict, error) {
	if err := o.fill(asked); err != nil {
		return nil, err
	}
	ctx, state := context.Background(), framework.NewCycleState()
	_, everywhere, _ := o.framework.RunPreFilterPlugins(ctx, state, asked.pod)
	verdicts := map[string]verdict{}
	for _, name := range nodes {
		status := everywhere
		if status.IsSuccess() {
			node, err := o.snapshot.NodeInfos().Get(name)
			if err != nil {
				return nil, err
			}
			status = o.framework.RunFilterPlugins(ctx, state, asked.pod, node)
		}
		found, err := say(status)
		if err != nil {
			return nil, err
		}
		if status.IsSuccess() {
			if err := o.bind(asked.pod, name, &found); err != nil {
				return nil, err
			}
		}
		verdicts[name] = found
	}
	return verdicts, nil
}

// bind goes on as if the node had been chosen, up to where the pod would be bound, and notes what was written.
func (o *oracle) bind(pod *corev1.Pod, name string, found *verdict) error {
	ctx, state := context.Background(), framework.NewCycleState()
	node, err := o.snapshot.NodeInfos().Get(name)
	if err != nil {
		return err
	}
	o.written = nil
	o.framework.RunPreFilterPlugins(ctx, state, pod)
	o.framework.RunFilterPlugins(ctx, state, pod, node)
	defer o.framework.RunReservePluginsUnreserve(ctx, state, pod, name)
	if status := o.framework.RunReservePluginsReserve(ctx, state, pod, name); !status.IsSuccess() {
		return fmt.Errorf("reserve: %s", status.Message())
	}
	if status := o.framework.RunPreBindPreFlights(ctx, state, pod, name); status.IsSkip() {
		return nil
	}
	status := o.framework.RunPreBindPlugins(ctx, state, pod, name)
	if !strings.Contains(status.Message(), "context deadline exceeded") {
		return fmt.Errorf("prebind: %s", status.Message())
	}
	found.Volumes, found.Claims = map[string]string{}, map[string]string{}
	for _, object := range o.written {
		switch object := object.(type) {
		case *corev1.PersistentVolume:
			claim := object.Spec.ClaimRef
			found.Volumes[object.Name] = fmt.Sprintf("%s/%s %s", claim.Namespace, claim.Name, claim.UID)
			if object.Annotations[volume.AnnBoundByController] != "" {
				found.Volumes[object.Name] += " by controller"
			}
		case *corev1.PersistentVolumeClaim:
			found.Claims[object.Namespace+"/"+object.Name] = object.Annotations[volume.AnnSelectedNode]
		}
	}
	return nil
}

func (o *oracle) fill(asked *scenario) error {
	for kind, store := range o.stores {
		if err := store.Replace(asked.others[kind], ""); err != nil {
			return err
		}
	}
	for kind, objects := range asked.others {
		if o.stores[kind] == nil {
			return fmt.Errorf("no plugin reads a %s", kind)
		}
		if stored := len(o.stores[kind].ListKeys()); stored != len(objects) {
			return fmt.Errorf("%d objects of kind %s have %d names", len(objects), kind, stored)
		}
	}
	o.snapshot.SharedLister = schedulercache.NewSnapshot(asked.placed, asked.nodes)
	return nil
}

func say(status *fwk.Status) (verdict, error) {
	if status.IsSuccess() {
		return verdict{}, nil
	}
	said := verdict{Plugin: status.Plugin(), Reasons: status.Reasons()}
	switch status.Code() {
	case fwk.Unschedulable:
		said.Status = "U"
	case fwk.UnschedulableAndUnresolvable:
		said.Status = "UU"
	case fwk.Error:
		said.Status = "E"
	default:
		return said, fmt.Errorf("a filter answered %s", status.Code())
	}
	return said, nil
}
