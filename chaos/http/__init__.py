"""The HTTP API of the chaos service: routes, authentication, response models, metrics."""
