"""The networks. Building one needs torch; their names do not."""

__all__ = ["ARCHITECTURES"]

ARCHITECTURES = (
    "mien_net",
    "mlp",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg_style",
    "resnet9",
)
"""The names of `mien.models.zoo.MODELS`, for an installation without torch; a test compares them."""
