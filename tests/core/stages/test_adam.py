"""Adam on the codes against torch's (float64)."""

import torch

from idc.stages.optimizers.adam import Adam


def test_steps_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = {"images": torch.rand(3, 2, 4, generator=generator, dtype=torch.float64)}
    gradients = [torch.randn(3, 2, 4, generator=generator, dtype=torch.float64) for _ in range(5)]
    leaf = torch.nn.Parameter(codes["images"].clone())
    reference = torch.optim.Adam([leaf], lr=0.05, betas=(0.8, 0.95), eps=1e-6)
    ours = Adam(learning_rate=0.05, betas=(0.8, 0.95), eps=1e-6)
    state = ours.initial_state(codes)
    for number, gradient in enumerate(gradients):
        leaf.grad = gradient
        reference.step()
        codes, state = ours.update(codes, state, {"images": gradient}, number)
        torch.testing.assert_close(codes["images"], leaf.detach(), rtol=1e-12, atol=1e-12)
