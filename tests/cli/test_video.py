"""Videos as files."""

import builtins

import numpy as np
import pytest
from PIL import Image

from rankq_jax.cli import video
from rankq_jax.errors import InputError

FRAMES = [np.full((20, 30, 3), value, np.uint8) for value in (10, 120, 230)]


def test_a_gif_has_the_frames(tmp_path):
    path = tmp_path / "film.gif"
    video.write(path, FRAMES, fps=20)
    with Image.open(path) as film:
        assert film.size == (30, 20) and film.n_frames == 3
        for index, frame in enumerate(FRAMES):
            film.seek(index)
            assert film.info["duration"] == 50
            np.testing.assert_allclose(np.asarray(film.convert("RGB")), frame, atol=2)
    assert sorted(tmp_path.iterdir()) == [path]


def test_an_mp4_where_its_writer_is(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    video.write(tmp_path / "film.mp4", FRAMES, fps=20)
    assert b"ftyp" in (tmp_path / "film.mp4").read_bytes()[:16]


def test_files_that_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"film\.avi: a video ends in \.gif or \.mp4"):
        video.check(tmp_path / "film.avi")
    with pytest.raises(InputError, match="there is no folder"):
        video.check(tmp_path / "none" / "film.gif")
    importing = builtins.__import__

    def without(name, *rest):
        if name == "imageio_ffmpeg":
            raise ImportError(name)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"MP4 needs the package imageio-ffmpeg.*or write a \.gif"):
        video.check(tmp_path / "film.mp4")
