// Program volume-plugins asks the four volume plugins of kube-scheduler about clusters that exist only as JSON.
//
// A scenario a line on standard input, what the plugins say of each of its nodes a line on standard output. There is
// no API server: objects get the API's defaults, pass its validation, and are put straight into what the plugins read.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
)

// question is one line of input. Objects and pod are as a user would write them, status and uid included.
type question struct {
	Objects        []json.RawMessage `json:"objects"`
	Pod            json.RawMessage   `json:"pod"`
	Nodes          []string          `json:"nodes"`
	WaitForDrivers bool              `json:"waitForDrivers"` // the gate VolumeLimitScaling
}

// answer is one line of output. Objects and pod are those of the question with defaults, as a server would show them.
type answer struct {
	Invalid  []string           `json:"invalid,omitempty"` // what a server would refuse; nothing was asked then
	Objects  []any              `json:"objects,omitempty"`
	Pod      any                `json:"pod,omitempty"`
	Verdicts map[string]verdict `json:"verdicts,omitempty"`
}

// verdict is what the plugins say of one node: the first that rejects it, how, and in which words; or what they write
// before a pod is bound to it.
type verdict struct {
	Status  string            `json:"status"` // "", U, UU or E
	Plugin  string            `json:"plugin"`
	Reasons []string          `json:"reasons"`
	Volumes map[string]string `json:"volumes"` // reserved: name to claim and uid, with "by controller" if so marked
	Claims  map[string]string `json:"claims"`  // to be provisioned: namespace/name to selected node
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Printf("volume-plugins %s\n", version.Get().GitVersion)
		return
	}
	klog.SetLogger(klog.Logger{}) // logs nothing: what is rejected is an answer
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "volume-plugins: %v\n", err)
		os.Exit(1)
	}
}

func run(questions io.Reader, answers io.Writer) error {
	oracles := map[bool]*oracle{}
	lines := bufio.NewReader(questions)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			return fmt.Errorf("a line is no scenario: %w", err)
		}
		if oracles[asked.WaitForDrivers] == nil {
			if oracles[asked.WaitForDrivers], err = newOracle(asked.WaitForDrivers); err != nil {
				return err
			}
		}
		found, err := reply(oracles[asked.WaitForDrivers], asked)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(answers).Encode(found); err != nil {
			return err
		}
	}
}

func reply(oracle *oracle, asked question) (*answer, error) {
	scenario, err := read(asked)
	if err != nil {
		return nil, err
	}
	if len(scenario.invalid) > 0 {
		return &answer{Invalid: scenario.invalid}, nil
	}
	verdicts, err := oracle.ask(scenario, asked.Nodes)
	if err != nil {
		return nil, err
	}
	return &answer{Objects: scenario.shown, Pod: scenario.pod, Verdicts: verdicts}, nil
}
