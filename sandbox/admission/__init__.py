"""Admission: what may change or refuse a request besides the rules of its kind.

Built-in plugins first, then webhooks, in the real server's order; the changing phase before the object is prepared
and validated, the refusing one after.
"""

from sandbox.admission.chain import Admission, open_admission

__all__ = ["Admission", "open_admission"]
