"""Train torchvision's ResNet-18 on a synset, and test it on the real images of the dataset condensed."""

from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision.models import resnet18

from idc import Synset

synset = Synset.load("runs/digits")
network = resnet18(num_classes=len(synset.spec.classes))
network.conv1 = torch.nn.Conv2d(synset.spec.channels, 64, 3, padding=1, bias=False)  # for small images
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
for _epoch in range(30):
    for images, labels in DataLoader(synset.dataset(), batch_size=64, shuffle=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

test = synset.pipeline.dataset.load(Path("data")).test.dataset()
network.eval()
with torch.no_grad():
    right = sum(int((network(x).argmax(1) == y).sum()) for x, y in DataLoader(test, batch_size=256))
print(f"{100 * right / len(test):.1f} % of {len(test)} real test images")
