package main

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // defaults and conversions
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/storage"
	_ "k8s.io/kubernetes/pkg/apis/storage/install" // defaults and conversions
	storagevalidation "k8s.io/kubernetes/pkg/apis/storage/validation"
)

// scenario is a cluster and a pod, decoded and with defaults.
type scenario struct {
	pod     *corev1.Pod
	nodes   []*corev1.Node
	placed  []*corev1.Pod
	others  map[string][]any // by kind
	shown   []any
	invalid []string
}

func read(asked question) (*scenario, error) {
	found := &scenario{others: map[string][]any{}}
	wanted, err := found.decode(asked.Pod)
	if err != nil {
		return nil, err
	}
	var isPod bool
	if found.pod, isPod = wanted.(*corev1.Pod); !isPod {
		return nil, fmt.Errorf("the pod is a %T", wanted)
	}
	for _, raw := range asked.Objects {
		object, err := found.decode(raw)
		if err != nil {
			return nil, err
		}
		found.shown = append(found.shown, object)
		found.add(object)
	}
	return found, nil
}

// add sorts an object in. The scheduler watches no pods that have run to their end, and places those without a node.
func (s *scenario) add(object runtime.Object) {
	switch object := object.(type) {
	case *corev1.Node:
		s.nodes = append(s.nodes, object)
	case *corev1.Pod:
		finished := object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed
		if object.Spec.NodeName != "" && !finished {
			s.placed = append(s.placed, object)
		}
	default:
		kind := object.GetObjectKind().GroupVersionKind().Kind
		s.others[kind] = append(s.others[kind], object)
	}
}

// decode reads an object, gives it the API's defaults, and notes what the API would refuse of it.
func (s *scenario) decode(raw json.RawMessage) (runtime.Object, error) {
	object, kind, err := legacyscheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
	if err != nil {
		return nil, err
	}
	legacyscheme.Scheme.Default(object)
	internal, err := legacyscheme.Scheme.ConvertToVersion(object, runtime.InternalGroupVersioner)
	if err != nil {
		return nil, err
	}
	for _, refused := range validate(internal) {
		s.invalid = append(s.invalid, kind.Kind+" "+strings.TrimSpace(refused.Error()))
	}
	object.GetObjectKind().SetGroupVersionKind(*kind)
	return object, nil
}

func validate(object runtime.Object) field.ErrorList {
	switch object := object.(type) {
	case *core.Pod:
		opts := pod.GetValidationOptionsFromPodSpecAndMeta(&object.Spec, nil, &object.ObjectMeta, nil)
		return corevalidation.ValidatePodCreate(object, opts)
	case *core.Node:
		return corevalidation.ValidateNode(object)
	case *core.PersistentVolume:
		opts := corevalidation.ValidationOptionsForPersistentVolume(object, nil)
		return corevalidation.ValidatePersistentVolume(object, opts)
	case *core.PersistentVolumeClaim:
		opts := corevalidation.ValidationOptionsForPersistentVolumeClaim(object, nil)
		return corevalidation.ValidatePersistentVolumeClaim(object, opts)
	case *storage.StorageClass:
		return storagevalidation.ValidateStorageClass(object)
	case *storage.CSINode:
		return storagevalidation.ValidateCSINode(object)
	case *storage.CSIDriver:
		return storagevalidation.ValidateCSIDriver(object)
	case *storage.CSIStorageCapacity:
		return storagevalidation.ValidateCSIStorageCapacity(object, storagevalidation.CSIStorageCapacityValidateOptions{})
	case *storage.VolumeAttachment:
		return storagevalidation.ValidateVolumeAttachment(object)
	default:
		return field.ErrorList{field.Forbidden(nil, fmt.Sprintf("no volume plugin reads a %T", object))}
	}
}
