"""Webhooks: who is asked about a request, what they are sent, and what is made of their answers.

Source: the AdmissionReview v1 contract ("Dynamic Admission Control" in the Kubernetes reference).
"""

from sandbox.admission.webhooks.caller import open_caller
from sandbox.admission.webhooks.mutating import Mutating
from sandbox.admission.webhooks.validating import Validating

__all__ = ["Mutating", "Validating", "open_caller"]
