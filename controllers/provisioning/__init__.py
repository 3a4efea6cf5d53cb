"""Makes and destroys storage through plugins, for classes that name one as their provisioner: plugin-provisioner."""
