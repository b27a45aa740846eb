"""Other people's architectures: image and text towers, their training, and how they fuse."""
