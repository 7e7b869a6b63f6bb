//! Role messages → prompt through the model's own Jinja template.
