"""Goldens of small convolutional networks: loss, scores, batch statistics and every gradient, in
float64 by PyTorch.

usage: python generate_convnet.py OUTPUT_DIRECTORY      (needs torch, safetensors)

Each directory holds model.safetensors (float32 weights) and expected.safetensors: images, labels,
scores in training mode, loss, `gradient.<parameter>` and the running statistics after one batch,
computed in float64 from the float32 weights and stored as float64.
"""
import os, sys
import torch, torch.nn as nn, torch.nn.functional as F
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)


class Block(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        if stride != 1 or a != b:
            self.downsample = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x):
        kept = self.downsample(x) if hasattr(self, "downsample") else x
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + kept)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1))
        self.layer2 = nn.Sequential(Block(4, 6, 2))
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))).mean((2, 3)))


def normalized(a, b, size, stride, groups):
    return nn.Sequential(nn.Conv2d(a, b, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(b), nn.ReLU6())


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        block = lambda a, b, s: nn.Sequential(normalized(a, a, 3, s, a), normalized(a, b, 1, 1, 1))
        self.features = nn.Sequential(normalized(2, 4, 3, 1, 1), block(4, 6, 2), block(6, 8, 1))
        self.classifier = nn.Linear(8, 5)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def make(out, name, model, seed):
    torch.manual_seed(seed)
    for key, p in model.named_parameters():
        scale = 0.5 if p.dim() > 1 else 0.3
        with torch.no_grad():
            p.copy_((torch.randn(p.shape) * scale + (1.0 if p.dim() == 1 and not key.endswith("bias") else 0.0)).float().double())
    where = os.path.join(out, name)
    os.makedirs(where, exist_ok=True)
    tensors = {k: v.detach().float().contiguous() for k, v in model.state_dict().items() if "num_batches" not in k}
    save_file(tensors, os.path.join(where, "model.safetensors"), {"format": "pt"})
    images, labels = torch.randn(3, 2, 9, 9).float().double(), torch.randint(0, 5, (3,))
    model.train()
    scores = model(images)
    loss = F.cross_entropy(scores, labels)
    loss.backward()
    expected = {"images": images, "labels": labels.int(), "scores": scores.detach(), "loss": loss.detach().reshape(1)}
    expected |= {"gradient." + k: p.grad.contiguous() for k, p in model.named_parameters()}
    expected |= {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    save_file(expected, os.path.join(where, "expected.safetensors"))
    print(name, loss.item())


make(sys.argv[1], "resnet", ResNet(), 4)
make(sys.argv[1], "mobilenet", MobileNet(), 5)
