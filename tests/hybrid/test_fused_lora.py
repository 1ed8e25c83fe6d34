"""LoRA as one operation: what PEFT computes, its gradients, and PEFT's own way wherever more is asked."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners import lora
from torch import nn

from hybrid.model.fused_lora import FusedLinear, _Fused, fuse


def adapted(dtype=torch.float64, dropout=0.0, bias=True, **options):
    """A small network with LoRA that is not zero, and the same one fused."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7, bias=bias), nn.Tanh(), nn.Linear(7, 3, bias=bias)).to(dtype)
    config = LoraConfig(r=2, lora_alpha=6.0, lora_dropout=dropout, target_modules=["0", "2"], **options)
    plain = get_peft_model(net, config).to(dtype)
    for name, p in plain.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(p)
    fused = copy.deepcopy(plain)
    fuse(fused)
    assert sum(type(module) is FusedLinear for module in fused.modules()) == 2
    return plain, fused


def gradients(model, x, dtype=torch.float64):
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    out = model(x)
    out.to(dtype).square().sum().backward()
    return [out, x.grad, *(p.grad for p in model.parameters() if p.requires_grad)]


@pytest.fixture
def x():
    return torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.fixture
def used(monkeypatch):
    """How often the one operation ran."""
    calls, apply = [], _Fused.apply
    monkeypatch.setattr(_Fused, "apply", lambda *given: calls.append(given) or apply(*given))
    return calls


@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_peft(x, used, bias):
    plain, fused = adapted(bias=bias)
    for one, other in zip(gradients(fused, x), gradients(plain, x), strict=True):
        torch.testing.assert_close(one, other)
    assert len(used) == 2
    _, weight, base_bias, a, b, scale = used[0]
    rows = x[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, a, b: _Fused.apply(x, weight, base_bias, a, b, scale), (rows, a, b)
    )


def test_autocast_multiplies_in_bfloat16(used):
    plain, fused = adapted(torch.float32)
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = (gradients(model, x, torch.float32) for model in (fused, plain))
    assert found[0].dtype == torch.bfloat16
    assert len(used) == 2
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05 * float(other.detach().abs().max()))


def _disable(model):
    for module in model.modules():
        if isinstance(module, lora.Linear):
            module.enable_adapters(False)


def _unfreeze(model):
    for module in model.modules():
        if isinstance(module, lora.Linear):
            module.base_layer.weight.requires_grad_()


def _train_biases(model):
    for module in model.modules():
        if isinstance(module, lora.Linear):
            module.base_layer.bias.requires_grad_()


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"dropout": 0.5}, nn.Module.train),
        ({"use_dora": True}, nn.Module.train),
        ({"lora_bias": True}, nn.Module.train),
        ({}, _disable),
        ({}, lambda model: model.merge_adapter()),
        ({}, _unfreeze),
        ({}, _train_biases),
    ],
    ids=["dropout", "dora", "bias", "disabled", "merged", "base trained", "biases trained"],
)
def test_whatever_else_is_asked_is_done_as_peft_does_it(x, used, options, change):
    plain, fused = adapted(**options)
    for model in (plain, fused):
        change(model)
    for one, other in zip(gradients(fused, x), gradients(plain, x), strict=True):
        torch.testing.assert_close(one, other)
    assert not used
