"""From a front member to an artefact that others serve: the bundle, its targets and runtimes."""
