"""Annotations, labels, finalizers and well-known names: who writes each and who reads it.

Source: the Kubernetes reference "Well-Known Labels, Annotations and Taints".
"""

from typing import Final

# --- claims and volumes: binding ---
BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
"""On claims, written by the binder; its presence alone makes a claim bound."""
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
"""On claims and volumes, by binder or scheduler: this side of the link was not the user's choice."""
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
"""On claims, written by whoever schedules; the provisioner removes it to ask for another node."""
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
"""On volumes, written by the provisioner: the class's provisioner."""
STORAGE_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
"""On claims, written by the binder: who is expected to provision."""
BETA_STORAGE_PROVISIONER: Final = "volume.beta.kubernetes.io/storage-provisioner"
"""The same value, for provisioners that read the older key."""
MIGRATED_TO: Final = "pv.kubernetes.io/migrated-to"
"""On claims and volumes, written by the binder: the CSI driver that took over from an in-tree plugin."""
BETA_STORAGE_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
"""On claims and volumes, written by users: beats spec.storageClassName, even when empty."""
MOUNT_OPTIONS: Final = "volume.beta.kubernetes.io/mount-options"
"""On volumes, written by users: comma-separated; in-tree plugins read it before spec.mountOptions, CSI never does."""
PRE_RESIZE_CAPACITY: Final = "volume.alpha.kubernetes.io/pre-resize-capacity"
"""On volumes, written by a resizer: the claim's capacity before a growth that the node must finish."""
STORAGE_RESIZER: Final = "volume.kubernetes.io/storage-resizer"
"""On claims, written by the expander: the CSI driver that is to grow a volume of an in-tree plugin."""
NODE_EXPANSION_NOT_REQUIRED: Final = "volume.kubernetes.io/node-expansion-not-required"
"""On claims, written by the driver's resizer: "true" where the last growth was complete without the node."""
ATTACHED_NODE_ID: Final = "csi.alpha.kubernetes.io/node-id"
"""On VolumeAttachments, written by the driver's attacher: what the driver calls the node, where its CSINode is gone."""
DELETION_SECRET_NAME: Final = "volume.kubernetes.io/provisioner-deletion-secret-name"  # noqa: S105 - the key of an annotation
DELETION_SECRET_NAMESPACE: Final = "volume.kubernetes.io/provisioner-deletion-secret-namespace"  # noqa: S105 - the key of an annotation
"""On volumes, written by the provisioner: the secret of the call that deletes it; both empty where it takes none."""
MODIFY_SECRET_NAME: Final = "volume.kubernetes.io/controller-modify-secret-name"  # noqa: S105 - the key of an annotation
MODIFY_SECRET_NAMESPACE: Final = "volume.kubernetes.io/controller-modify-secret-namespace"  # noqa: S105 - the key of an annotation
"""On volumes, written by the provisioner: the secret of the calls that change its attributes."""
PROVISIONER_IDENTITY: Final = "storage.kubernetes.io/csiProvisionerIdentity"
"""Among the attributes of CSI volumes, written by the provisioner: which process of it made the volume."""
CAPACITY_DRIVER: Final = "csi.storage.k8s.io/drivername"
CAPACITY_MANAGER: Final = "csi.storage.k8s.io/managed-by"
"""Labels of CSIStorageCapacities, by who publishes them: whose room it is, and who keeps the object up."""
MIGRATED_PLUGINS: Final = "storage.alpha.kubernetes.io/migrated-plugins"
"""On CSINodes, written by kubelet: comma-separated in-tree plugins that it serves through CSI."""
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_CLASS: Final = "storageclass.beta.kubernetes.io/is-default-class"
"""On classes, written by admins: "true" makes a class the default one."""
DEFAULT_SNAPSHOT_CLASS: Final = "snapshot.storage.kubernetes.io/is-default-class"
"""On snapshot classes, written by admins: "true" makes one the default of its driver."""

# --- snapshots ---
CONTENT_BEING_DELETED: Final = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"
"""On contents, written by the snapshot controller: their snapshot is deleted, so the storage's may be as well."""
CONTENT_BEING_CREATED: Final = "snapshot.storage.kubernetes.io/volumesnapshot-being-created"
"""On contents, written by the driver's snapshotter while a CreateSnapshot may be running."""
SNAPSHOT_SECRET_NAME: Final = "snapshot.storage.kubernetes.io/deletion-secret-name"  # noqa: S105 - the key of an annotation
SNAPSHOT_SECRET_NAMESPACE: Final = "snapshot.storage.kubernetes.io/deletion-secret-namespace"  # noqa: S105 - the key of an annotation
"""On contents, written by the snapshot controller: the secret of the calls that make and delete the snapshot."""
SNAPSHOT_MODE_CHANGE: Final = "snapshot.storage.kubernetes.io/allow-volume-mode-change"
"""On contents, written by admins: a true value lets it be restored to a volume of the other mode."""

UNUSED: Final = "Unused"
"""A condition of claims, written by claim protection: whether no pod uses the claim, and since when."""

# --- finalizers ---
CLAIM_PROTECTION: Final = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION: Final = "kubernetes.io/pv-protection"
VOLUME_CONTROLLER: Final = "kubernetes.io/pv-controller"
"""On in-tree provisioned volumes with policy Delete, held by the binder until the storage is gone."""
EXTERNAL_PROVISIONER: Final = "external-provisioner.volume.kubernetes.io/finalizer"
CLONE_SOURCE_PROTECTION: Final = "provisioner.storage.kubernetes.io/cloning-protection"
"""On claims that others are filled from, held by the provisioner."""
SNAPSHOT_RESTORE_PROTECTION: Final = "provisioner.storage.kubernetes.io/volumesnapshot-as-source-protection"
"""On snapshots that a claim is being filled from, held by the provisioner; the next one is another's."""
SNAPSHOT_SOURCE_PROTECTION: Final = "snapshot.storage.kubernetes.io/volumesnapshot-as-source-protection"
"""On every snapshot, held by the snapshot controller."""
SNAPSHOT_BOUND_PROTECTION: Final = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"
"""On snapshots whose content goes with them, held by the snapshot controller until it is gone."""
CONTENT_PROTECTION: Final = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"
"""On contents: put on by the snapshot controller, taken off by the driver's snapshotter."""
SNAPSHOT_CLAIM_PROTECTION: Final = "snapshot.storage.kubernetes.io/pvc-as-source-protection"
"""On claims that a snapshot is being taken of, held by the snapshot controller."""

# --- topology ---
HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"
REGION: Final = "topology.kubernetes.io/region"
BETA_ZONE: Final = "failure-domain.beta.kubernetes.io/zone"
BETA_REGION: Final = "failure-domain.beta.kubernetes.io/region"
OS: Final = "kubernetes.io/os"
BETA_OS: Final = "beta.kubernetes.io/os"
ARCH: Final = "kubernetes.io/arch"
BETA_ARCH: Final = "beta.kubernetes.io/arch"
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
BETA_INSTANCE_TYPE: Final = "beta.kubernetes.io/instance-type"

NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
"""The provisioner of classes whose volumes an admin makes."""
