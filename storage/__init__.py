"""The rules of Kubernetes storage as pure functions, shared by extender, controllers and webhooks."""
