"""The training floor: photographs to weights. Needs torch, numpy, Pillow and safetensors only."""
