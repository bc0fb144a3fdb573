"""The model floor: tensors in, tensors out; no bytes, no files but the weights."""
