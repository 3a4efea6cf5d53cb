"""Keys that Kubernetes writes into what drivers are told."""

from typing import Final

EPHEMERAL: Final = "csi.storage.k8s.io/ephemeral"
"""In a volume's context: "true" for one that a pod has in its own spec, which is made and goes with the pod."""
TOKENS: Final = "csi.storage.k8s.io/serviceAccount.tokens"
"""In a volume's context, or among the secrets: the pod's tokens by audience, as JSON."""
POD_NAME: Final = "csi.storage.k8s.io/pod.name"
POD_NAMESPACE: Final = "csi.storage.k8s.io/pod.namespace"
POD_UID: Final = "csi.storage.k8s.io/pod.uid"
SERVICE_ACCOUNT: Final = "csi.storage.k8s.io/serviceAccount.name"
"""In a volume's context, for drivers that ask for the pod's facts."""
