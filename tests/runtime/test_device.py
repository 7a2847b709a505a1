"""What is chosen for a device, and that it computes what was asked for."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.config.compose import compose, register
from gan_cli.config.schema import DeviceKind, DeviceSection, Precision
from gan_cli.errors import ConfigError
from gan_cli.runtime import cpu, device
from gan_cli.runtime.device import Workload, choose
from gan_cli.training import builder, planning

SMALL, WIDE = Workload(10**6, convolutional=False, widest=2**10), Workload(10**9, convolutional=False, widest=2**19)
CONVOLUTIONAL = Workload(10**9, convolutional=True, widest=2**10)
FAST, AMX, OLD = {"avx512_bf16": True}, {"amx_bf16": True}, {"avx512_f": True}


def chosen(work: Workload, **settings: object) -> device.Device:
    return choose(DeviceSection(kind=DeviceKind.cpu, **settings), work)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("able", "work", "bf16"),
    [
        (FAST, replace(WIDE, points=True), False),
        (FAST, CONVOLUTIONAL, True),
        (FAST, WIDE, True),
        (AMX, WIDE, True),
        (FAST, SMALL, False),
        (OLD, CONVOLUTIONAL, False),
        ({}, WIDE, False),
    ],
)
def test_bf16_is_chosen_where_the_processor_has_it_and_the_networks_gain(
    able: dict[str, bool], work: Workload, bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert (chosen(work).autocast is torch.bfloat16) is bf16
    assert chosen(work, precision=Precision.fp32).autocast is None
    assert chosen(work, precision=Precision.bf16).autocast is torch.bfloat16


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device that nothing is computed on."""
    monkeypatch.setattr(device, "_torch_device", lambda kind, index: torch.device(kind))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")


@pytest.mark.parametrize(
    ("native", "work", "bf16"),
    [
        (True, CONVOLUTIONAL, True),
        (True, WIDE, True),
        (True, SMALL, False),
        (True, replace(WIDE, points=True), False),
        (False, CONVOLUTIONAL, False),  # emulated
    ],
)
def test_bf16_is_chosen_on_a_gpu_by_the_same_rule(
    native: bool, work: Workload, bf16: bool, card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    made = choose(DeviceSection(kind=DeviceKind.cuda), work)
    assert (made.autocast is torch.bfloat16) is bf16


@pytest.mark.parametrize("name", ["ring8", "grid25", "oracle", "digits"])
def test_points_train_in_bf16_only_on_request(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "MIN_WEIGHTS_FOR_BF16", 1)
    monkeypatch.setattr(device, "_has_bf16", lambda kind: True)
    register()
    family = ["algorithm=seqgan"] if name == "oracle" else []
    planned = planning.plan(compose([*family, f"dataset={name}"]).config)
    assert (planned.device.autocast is None) is (name in ("ring8", "grid25"))


@pytest.mark.parametrize("deterministic", [False, True])
def test_cublas_has_its_workspace_before_the_first_product_of_any_run(
    deterministic: bool, card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    choose(DeviceSection(kind=DeviceKind.cuda, deterministic=deterministic), SMALL)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_channels_last_is_chosen_where_there_are_convolutions() -> None:
    assert chosen(CONVOLUTIONAL).channels_last
    assert not chosen(WIDE).channels_last
    assert not chosen(CONVOLUTIONAL, channels_last=False).channels_last


def test_work_is_read_off_the_networks() -> None:
    with torch.device("meta"):
        networks = [nn.Sequential(nn.Linear(10, 7), nn.Linear(7, 3)), nn.Sequential(nn.ConvTranspose2d(2, 3, 4))]
    assert Workload.of(networks, 5, points=True) == Workload(5, convolutional=True, widest=96, points=True)
    assert Workload.of(networks[:1], 5, points=False) == Workload(5, convolutional=False, widest=70)


@pytest.mark.parametrize(
    ("mflop", "cores", "threads"),
    [(0, 8, 1), (49, 8, 1), (50, 8, 2), (74, 8, 2), (74, 1, 1), (100, 8, 4), (10_000, 8, 8)],
)
def test_a_thread_has_25_million_operations_or_more(
    mflop: int, cores: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "DEFAULT_THREADS", cores)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.setattr(cpu, "busy_cores", lambda: 0)
    chosen(replace(SMALL, forward_flops=mflop * 10**6))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("busy", "threads"), [(2, 2), (6, 2), (7, 1), (9, 1)])
def test_threads_give_way_only_where_too_few_cores_are_idle(
    busy: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "DEFAULT_THREADS", 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(cpu, "busy_cores", lambda: busy)
    chosen(replace(SMALL, forward_flops=74 * 10**6))
    assert torch.get_num_threads() == threads


def test_number_of_threads_can_be_set() -> None:
    chosen(SMALL, threads=2)
    assert torch.get_num_threads() == 2


def test_float32_products_on_a_cpu_are_exact_whatever_computes_them() -> None:
    chosen(WIDE)
    torch.manual_seed(0)
    for shape in ((64, 1024, 784), (3, 5, 7)):
        a, b = torch.randn(shape[0], shape[1]), torch.randn(shape[1], shape[2])
        exact = a.double() @ b.double()
        assert (a @ b - exact).abs().max() < 1e-5 * exact.abs().max()


def test_small_products_are_left_to_mkl_and_stacked_ones_are_not_small() -> None:
    for work, small in ((SMALL, True), (WIDE, False), (replace(SMALL, replicas=8), False)):
        torch.set_float32_matmul_precision("high")
        exact = cpu.onednn_is_exact()
        assert torch.get_float32_matmul_precision() == "high"
        chosen(work)
        assert torch.get_float32_matmul_precision() == ("medium" if exact and not small else "highest")


def test_products_that_round_to_bf16_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor with AMX, where the quick way rounds."""
    whole = torch.Tensor.__matmul__

    def rounding(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if a.dtype is torch.float32 and torch.get_float32_matmul_precision() == "medium":
            return whole(a.bfloat16(), b.bfloat16()).float()
        return whole(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounding)
    chosen(WIDE)
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("work", "deterministic", "measured"),
    [(CONVOLUTIONAL, False, True), (CONVOLUTIONAL, True, False), (WIDE, False, False)],
)
def test_cudnn_measures_its_algorithms_where_there_are_convolutions_and_results_may_differ(
    work: Workload, deterministic: bool, measured: bool, card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    choose(DeviceSection(kind=DeviceKind.cuda, deterministic=deterministic), work)
    assert torch.backends.cudnn.benchmark is measured
    chosen(CONVOLUTIONAL)
    assert not torch.backends.cudnn.benchmark


def test_steps_of_an_algorithm_that_cannot_be_captured_are_eager_on_a_gpu(
    card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    section = DeviceSection(kind=DeviceKind.cuda)
    assert choose(section, SMALL).facts()["graph"] is True
    assert choose(section, SMALL, "rounds differ").facts()["graph"] is False
    with pytest.raises(ConfigError, match=r"device\.graph: expected false or null.*rounds differ"):
        choose(replace(section, graph=True), SMALL, "rounds differ")


@pytest.mark.parametrize(
    ("compiler", "triton", "words"),
    [("no-such-compiler", True, "a C compiler on cuda and there is no no-such-compiler"), ("true", False, "triton")],
)
def test_compiling_on_a_gpu_without_what_it_needs_is_refused(
    compiler: str, triton: bool, words: str, card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: triton or None)
    with pytest.raises(ConfigError, match=rf"device\.compile: expected false.*{words}"):
        choose(DeviceSection(kind=DeviceKind.cuda, compile=True), SMALL)


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"device\.compile: expected false.*no-such-compiler"):
        chosen(SMALL, compile=True)


# At the paper's rate: at that for points, ten times as high, rounding grows.
RING = ("dataset=ring8", "loss=wgan", "optimizer.lr=5e-5")


def losses(*overrides: str) -> list[float]:
    """Of D and G, at a few steps."""
    register()
    algorithm = builder.assemble(planning.plan(compose([*overrides, "device=cpu"]).config))
    assert isinstance(algorithm, GANTrainer)
    found = []
    for step in range(12):
        algorithm.update(step)
        if step % 4 == 3:
            scalars = algorithm.report().scalars
            found += [scalars["loss/d"], scalars["loss/g"]]
    return found


@pytest.mark.parametrize(
    "overrides",
    [
        ("architecture=mlp", "architecture.norm_g=none"),
        ("architecture=dcgan", "architecture.width=16"),
        ("dataset=ring8", "loss=wgan"),
    ],
)
def test_bf16_follows_float32_for_a_while(overrides: tuple[str, ...]) -> None:
    rounded, exact = (losses(*overrides, f"device.precision={precision}") for precision in ("bf16", "fp32"))
    assert rounded == pytest.approx(exact, rel=0.03, abs=0.003)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [("architecture=mlp",), ("architecture=mlp", "architecture.spectral_norm=true"), RING],
)
def test_compiled_networks_follow_those_that_are_not(overrides: tuple[str, ...]) -> None:
    compiled, plain = (losses(*overrides, f"device.compile={compile}") for compile in ("true", "false"))
    assert compiled == pytest.approx(plain, rel=1e-3, abs=1e-4)


def test_weights_stay_float32_under_bf16() -> None:
    register()
    plan = planning.plan(compose(["architecture=dcgan", "architecture.width=4", "device.precision=bf16"]).config)
    algorithm = builder.assemble(plan)
    assert isinstance(algorithm, GANTrainer)
    algorithm.update(0)
    for network in (algorithm.generator, algorithm.discriminator, algorithm.ema.network):
        assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert algorithm.optimizer_g.optimizer.state_dict()["state"][0]["exp_avg"].dtype is torch.float32
