"""The multilayer perceptron of KDT-5's factor studies: no convolution, every factor an argument."""

from __future__ import annotations

from torch import Tensor, nn

from mien.errors import InputError
from mien.models.activations import activation as activation_named
from mien.models.options import check_dropout, check_positive
from mien.models.spec import ModelSpec

__all__ = ["MLP", "SPEC"]


class MLP(nn.Module):
    """Pixels in a row, hidden layers of equal width, one linear layer of logits."""

    def __init__(
        self,
        num_classes: int = 7,
        in_channels: int = 1,
        *,
        depth: int = 1,
        width: int = 256,
        activation: str = "relu",
        dropout: float = 0.0,
        input_size: int = 48,
    ) -> None:
        """Build the network with freshly drawn weights.

        Args:
            num_classes: Logits.
            in_channels: 1 for grey, 3 for RGB.
            depth: Hidden layers; 0 leaves a linear classifier.
            width: Perceptrons of each hidden layer.
            activation: Name in `activations.ACTIVATIONS`.
            dropout: After each hidden layer, in [0, 1).
            input_size: Side of the input, px; the first layer has a weight for each pixel.

        Raises:
            InputError: If a number is out of range.
            UnknownNameError: If there is no such activation.
        """
        super().__init__()
        if depth < 0:
            raise InputError(f"mlp: depth is {depth}; expected 0 or more.")
        check_positive("mlp", width=width, input_size=input_size)
        check_dropout("mlp", dropout)
        layers: list[nn.Module] = [nn.Flatten()]
        features = in_channels * input_size**2
        for _ in range(depth):
            layers += [
                nn.Linear(features, width),
                activation_named(activation),
                nn.Dropout(dropout),
            ]
            features = width
        self.layers = nn.Sequential(*layers, nn.Linear(features, num_classes))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, input_size, input_size) to logits (N, num_classes)."""
        logits: Tensor = self.layers(inputs)
        return logits


SPEC = ModelSpec(
    name="mlp",
    summary="Multilayer perceptron of KDT-5's studies: depth, width, activation, dropout",
    build=MLP,
    paper="https://doi.org/10.1038/323533a0",
    num_parameters=591_879,
    num_macs=591_616,
    input_mean=0.0,
    input_std=1.0,
    options=("depth", "width", "activation", "dropout", "input_size"),
)
