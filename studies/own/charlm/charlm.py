"""A small character language model on the help texts that come with Python, trained with AdamW. A plain script."""

import argparse
import math
from pydoc_data.topics import topics

import torch
from torch import nn

import ablate  # the only two lines that know of ablate: this one, and ablate.report below

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=150)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--lr", type=float, default=3e-3)
parser.add_argument("--weight-decay", type=float, default=0.1)
parser.add_argument("--no-positions", action="store_true", help="leave out the embedding of positions")
parser.add_argument("--no-warmup", action="store_true", help="start at the full learning rate")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

CONTEXT, BATCH, HELD_OUT = 64, 32, 40_000
torch.manual_seed(options.seed)
text = "".join(topics[name] for name in sorted(topics))
letters = sorted(set(text))
data = torch.tensor([letters.index(letter) for letter in text])
train, test = data[:-HELD_OUT], data[-HELD_OUT:]


class Model(nn.Module):
    """A transformer of one layer."""

    def __init__(self) -> None:
        super().__init__()
        width = options.width
        self.embed = nn.Embedding(len(letters), width)
        self.positions = nn.Embedding(CONTEXT, width)
        self.layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(width, len(letters))
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT))

    def forward(self, letters: torch.Tensor) -> torch.Tensor:
        """Logits of the next character: (batch, context, characters)."""
        found = self.embed(letters)
        if not options.no_positions:
            found = found + self.positions.weight
        return self.head(self.layer(found, src_mask=self.mask))


def loss_of(model: Model, windows: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy in nats."""
    return nn.functional.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())


model = Model()
optimiser = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=options.weight_decay)
for step in range(1, options.steps + 1):
    warmup = 1.0 if options.no_warmup else min(1.0, step / 20)
    for group in optimiser.param_groups:
        group["lr"] = options.lr * warmup
    starts = torch.randint(len(train) - CONTEXT - 1, (BATCH,))
    loss = loss_of(model, torch.stack([train[start : start + CONTEXT + 1] for start in starts]))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 50 == 0 or step == options.steps:
        with torch.no_grad():
            windows = test[: len(test) // (CONTEXT + 1) * (CONTEXT + 1)].view(-1, CONTEXT + 1)
            bits = loss_of(model, windows).item() / math.log(2)
        ablate.report(step=step, steps=options.steps, bits_per_character=bits)
        print(f"step {step}: {bits:.3f} bits per character", flush=True)
