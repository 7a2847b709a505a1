"""Event files, as TensorBoard's own reader sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from gan_cli.telemetry import event_file, plugin_values


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def write(folder: Path, *values: Any, step: int = 0) -> None:
    file = event_file.EventFile(folder)
    file.add(values, step)
    file.close()


def test_records_are_whole_and_carry_checksums_of_length_and_content(tmp_path: Path) -> None:
    write(tmp_path, event_file.image("picture", np.random.default_rng(0).bytes(3000), 4, 4))
    (file,) = tmp_path.glob("events.out.tfevents.*")
    rest, contents = file.read_bytes(), []
    while rest:
        size = int.from_bytes(rest[:8], "little")
        assert int.from_bytes(rest[8:12], "little") == masked_crc32c(rest[:8])
        contents.append(rest[12 : 12 + size])
        assert int.from_bytes(rest[12 + size : 16 + size], "little") == masked_crc32c(contents[-1])
        rest = rest[16 + size :]
    assert contents == list(RawEventFileLoader(str(file)).Load())
    assert len(contents) == 2, "the version of the format, and the picture"


def test_one_event_holds_all_values_of_a_step(tmp_path: Path) -> None:
    write(
        tmp_path,
        event_file.scalar("a", 0.5),
        event_file.scalar("b", float("nan")),
        event_file.scalar("c", 1e300),
        step=7,
    )
    board = read(tmp_path)
    assert (board.Scalars("a")[0].step, board.Scalars("a")[0].value) == (7, 0.5)
    assert np.isnan(board.Scalars("b")[0].value)
    assert board.Scalars("c")[0].value == np.inf


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(3, 2, (50, 64)),
        np.full(5, 0.25),
        np.array([1e-9, 1.0]),
        np.array([-3e38, 3e38]),
        np.array([7.0]),
    ],
    ids=["many", "equal", "two", "huge", "one"],
)
def test_histogram_counts_every_value_between_the_smallest_and_the_largest(tmp_path: Path, values: Any) -> None:
    values = values.astype(np.float32)
    write(tmp_path, event_file.histogram("h", values))
    shown = read(tmp_path).Histograms("h")[0].histogram_value
    assert (shown.min, shown.max, shown.num) == (values.min(), values.max(), values.size)
    assert shown.sum == pytest.approx(values.astype(np.float64).sum())
    assert shown.sum_squares == pytest.approx((values.astype(np.float64) ** 2).sum())
    ends, counts = np.array(shown.bucket_limit), np.array(shown.bucket)
    assert (np.diff(ends) > 0).all()
    assert ends[0] <= values.min() <= values.max() <= ends[-1]
    expected, _ = np.histogram(values.astype(np.float64), ends)
    assert counts.tolist() == [0, *expected]


def test_picture_comes_back_byte_for_byte(tmp_path: Path) -> None:
    write(tmp_path, event_file.image("picture", b"\x89PNG and so on", 3, 2), step=5)
    (shown,) = read(tmp_path).Images("picture")
    assert (shown.step, shown.encoded_image_string, shown.width, shown.height) == (5, b"\x89PNG and so on", 3, 2)


def test_text_and_charts_are_found_by_their_plugins(tmp_path: Path) -> None:
    write(
        tmp_path,
        plugin_values.text("config", "**bold** é"),
        plugin_values.charts("mine", {"Is it good?": ["a", "b/.*"]}),
    )
    board = read(tmp_path)
    assert board.PluginTagToContent("text").keys() == {"config/text_summary"}
    assert board.Tensors("config/text_summary")[0].tensor_proto.string_val == ["**bold** é".encode()]
    (tag,) = board.PluginTagToContent("custom_scalars")
    layout = layout_pb2.Layout.FromString(board.Tensors(tag)[0].tensor_proto.string_val[0])
    assert layout.category[0].title == "mine"
    assert layout.category[0].chart[0].title == "Is it good?"
    assert list(layout.category[0].chart[0].multiline.tag) == ["a", "b/.*"]


def test_hparams_keep_their_types_and_none_is_left_out(tmp_path: Path) -> None:
    choices = {"loss": "jsd", "lr": 2e-4, "steps": 3, "nothing": None}
    write(
        tmp_path, *plugin_values.session_start(plugin_values.HParams(choices), ["loss/d"]), plugin_values.session_end()
    )
    content = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(data)
        for tag, data in read(tmp_path).PluginTagToContent("hparams").items()
    }
    start = content["_hparams_/session_start_info"].session_start_info
    assert start.hparams["loss"].string_value == "jsd"
    assert {name: start.hparams[name].number_value for name in ("lr", "steps")} == {"lr": 2e-4, "steps": 3}
    experiment = content["_hparams_/experiment"].experiment
    assert {info.name: info.type for info in experiment.hparam_infos} == {
        "loss": api_pb2.DATA_TYPE_STRING,
        "lr": api_pb2.DATA_TYPE_FLOAT64,
        "steps": api_pb2.DATA_TYPE_FLOAT64,
    }
    assert [info.name.tag for info in experiment.metric_infos] == ["loss/d"]
    assert content["_hparams_/session_end_info"].session_end_info.status == api_pb2.STATUS_SUCCESS


def test_later_file_purges_values_of_its_first_step_and_later(tmp_path: Path) -> None:
    for second, (first, last, purge) in enumerate([(1, 4, 0), (3, 5, 3)]):
        file = event_file.EventFile(tmp_path, purge)
        for step in range(first, last + 1):
            file.add([event_file.scalar("a", 10 * second + step)], step)
        file.close()
        (newest,) = (path for path in tmp_path.iterdir() if path.name.startswith("events"))
        newest.rename(tmp_path / f"{second}.tfevents")  # read in this order
    assert [(event.step, event.value) for event in read(tmp_path).Scalars("a")] == [
        (1, 1),
        (2, 2),
        (3, 13),
        (4, 14),
        (5, 15),
    ]
