"""Small files that declare, or would become, much; each by the words of the line that refuses it."""

import io
import json
import pickle
import shutil
import struct
import warnings
import zipfile
import zlib

import h5py
import numpy as np

from tests.data import layouts, recordings

DTYPE = b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"


def npz(folder):
    """`(path, words)` of each archive."""
    small = recordings.own()
    rows = 5_000_000
    zeros = {key: np.zeros((rows, *array.shape[1:]), array.dtype) for key, array in small.items()}
    path = folder / "zeros.npz"
    np.savez_compressed(path, observations=zeros["observations"].repeat(2, axis=1), **{
        key: small[key] for key in ("actions", "rewards", "terminals")
    })  # fmt: skip
    yield path, r"field 'observations' declares 80 MB, but the file holds .* kB, of which at most 67.1 MB"

    def member(name, header, content=b"", method=zipfile.ZIP_DEFLATED):
        path = folder / f"{name}.npz"
        np.savez(path, **{key: array for key, array in small.items() if key != "observations"})
        with zipfile.ZipFile(path, "a", method) as archive:
            archive.writestr("observations.npy", header + content)
        return path

    def header(shape, dtype="<f4"):
        made = io.BytesIO()
        about = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(made, about)
        return made.getvalue()

    yield member("rows", header((10**12, 2))), "field 'observations' declares 8 TB"
    yield member("text", header((10,), "<U100000000")), "field 'observations' declares 4 GB"
    yield member("short", header((1_000, 2)), bytes(80)), "declares 8000 bytes by shape .* but holds 80;"
    long = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31)
    yield member("header", long, b" " * 5_000_000), "field 'observations' cannot be read"
    bzip = member("bzip", header((10**6, 2)), bytes(8 * 10**6), zipfile.ZIP_BZIP2)
    yield bzip, "field 'observations' is compressed by another method"
    many = folder / "many.npz"
    with zipfile.ZipFile(many, "w") as archive:
        for index in range(10_001):
            archive.writestr(f"{index}.npy", b"")
    yield many, "field 'data' lists more than 10000 arrays"


def hdf5(folder):
    """`(path, words)` of each HDF5 file, whose observations are replaced."""
    spoils = {}
    shape = recordings.own()["observations"].shape

    def spoil(words):
        return lambda function: spoils.setdefault(function.__name__, (function, words))

    @spoil("field 'observations' declares 8 TB, but the file holds")
    def rows(file):
        made = file.create_dataset("observations", (10**12, 2), "f4", chunks=(1_000, 2))
        made[:10] = 1.0

    @spoil("field 'observations' declares 2.15 GB")
    def chunk(file):
        made = file.create_dataset(
            "observations", shape, "f4", chunks=(2**28, 2), maxshape=(None, 2), compression="gzip"
        )
        made.id.write_direct_chunk((0, 0), zlib.compress(bytes(64)))

    @spoil("field 'observations' has a chunk that holds more than it declares")
    def inflated(file):
        made = file.create_dataset("observations", shape, "f4", chunks=shape, compression="gzip")
        made.id.write_direct_chunk((0, 0), zlib.compress(bytes(250_000_000), 1))

    @spoil("field 'observations' is stored by filters")
    def filtered(file):
        file.create_dataset("observations", shape, "f4", chunks=shape, data=np.zeros(shape), scaleoffset=3)

    @spoil("field 'observations' has its numbers in another file")
    def external(file):
        file.create_dataset("observations", shape, "f4", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])

    @spoil("field 'observations' has its numbers in another file")
    def virtual(file):
        layout = h5py.VirtualLayout(shape, "f4")
        layout[:] = h5py.VirtualSource("other.hdf5", "x", shape)
        file.create_virtual_dataset("observations", layout)

    @spoil("field 'observations' is a link to another file")
    def linked(file):
        file["observations"] = h5py.ExternalLink("other.hdf5", "/x")

    @spoil("field 'observations' is a link to another file")
    def indirectly(file):
        file["elsewhere"] = h5py.ExternalLink("other.hdf5", "/")
        file["observations"] = h5py.SoftLink("/elsewhere/x")

    @spoil("field 'observations' is reached by more than 8 links")
    def round_about(file):
        file["a"], file["observations"] = h5py.SoftLink("/observations"), h5py.SoftLink("/a")

    with h5py.File(folder / "other.hdf5", "w") as file:
        file["x"] = np.zeros(shape, "f4")
    for name, (function, words) in spoils.items():
        path = folder / f"{name}.hdf5"
        recordings.save(path, recordings.own())
        with h5py.File(path, "a") as file:
            del file["observations"]
            function(file)
        yield path, words


def _walk(**changes):
    steps = 4
    walk = {
        "observations": np.zeros((steps, 2)),
        "next_observations": np.zeros((steps, 2)),
        "actions": np.zeros((steps, 1)),
        "rewards": np.zeros(steps),
    }
    return pickle.dumps([{**walk, **changes}])


def _doubled(times, start, make=lambda one: [one] * 10):
    for _ in range(times):
        start = make(start)
    return start


def pickles(folder):
    """`(path, words)` of each pickle."""
    number, big = 0.5, np.zeros(5_000)
    # Each pair holds the one before it twice: the last one, number 60, has 2 ** 60 values.
    twice = [b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x940" for i in range(60)]
    pairs = b"N\x940" + b"".join(twice)
    walks = pickle.loads(_walk())
    files = {
        "lists": (_walk(rewards=_doubled(9, number)), "field 'rewards' has dtype list from index 0 on"),
        "states": (_walk(observations=[{"state_observation": _doubled(9, number)}] * 4), "has dtype list"),
        "rows": (_walk(observations=[big] * 20_000), "field 'observations' declares"),
        "steps": (_walk(observations=[{"state_observation": big}] * 20_000), "field '.*' declares"),
        "walks": (pickle.dumps(walks * 20_000), "field '.*' declares"),
        "text": (_walk(rewards=["x" * 100_000] + ["y"] * 10_000), "field 'rewards' has dtype str"),
        "entries": (_walk(rewards=[[0.5] * 10_000] * 10_000), "field 'rewards' declares"),
        "copies": (
            b"(X" + struct.pack("<I", 100_000) + b"x" * 100_000 + b"\x94c_codecs\nencode\n\x940"
            + b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * 20_000 + b"l.",
            "field 'data' declares",
        ),
        "key": (b"}" + b"N" + b"\x85" * 100_000 + b"Ns.", "keys are neither text nor whole numbers"),
        "keys": (pairs + b"}h\x3cNs.", "keys are neither text nor whole numbers"),
        "typed": (pairs + b"cnumpy\ndtype\nh\x3c\x85R.", "of an unknown type"),
        "nested": (b"]" + b"]" * 100_000 + b"a" * 100_000 + b".", "episode 0: is a list"),
        "marks": (b"(" * 1_000_000 + b".", "field 'data' declares"),
        "reserved": (b"\x96" + struct.pack("<Q", 2**40) + b"x.", "cannot be read"),
        "memo": (b"Nr\xff\xff\xff\xff0].", "holds no list"),
        "number": (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"1.", "cannot be read|holds no list"),
        "shape": (ARRAY + b"(I1\n(I1000000000000\ntI1\n" + DTYPE + b"I00\nS''\ntb.", "cannot be read"),
    }  # fmt: skip
    for name, (content, words) in files.items():
        path = folder / f"{name}.pkl"
        path.write_bytes(content)
        yield path, words


def minari(folder, name):
    """`(path, words)` of each copy of the dataset of that folder."""

    def rows(group):
        del group["rewards"]
        group.create_dataset("rewards", (10**12,), "f8", chunks=(1_000,))[:3] = 1.0

    def linked(group):
        del group["rewards"]
        group["rewards"] = h5py.ExternalLink("/dev/null", "/x")

    def deep(group):
        group["infos"].create_group("/".join("x" * 40))

    def round_about(group):
        group["infos"]["again"] = group["infos"]

    for spoil, words in (
        (rows, "field 'episode_0/rewards' declares 8 TB"),
        (linked, "field 'episode_0/rewards' is a link to another place"),
        (deep, "is deeper than 16 groups"),
        (round_about, "is deeper than 16 groups"),
    ):
        made = folder / spoil.__name__
        shutil.copytree(name, made)
        with h5py.File(made / "data" / "main_data.hdf5", "a") as file, warnings.catch_warnings():
            spoil(file["episode_0"])
        yield made, words


def others(folder):
    """`(path, words)` of files in the layouts of other libraries."""
    walks = recordings.episodes()

    def huge(group, key):
        del group[key]
        group.create_dataset(key, (10**12,), "f8", chunks=(1_000,))[:3] = 1.0

    lift = layouts.robomimic(folder / "lift.hdf5", walks)
    with h5py.File(lift, "a") as file:
        huge(file["data/demo_3"], "rewards")
    yield lift, "field 'data/demo_3/rewards' declares 8 TB"
    many = layouts.robomimic(folder / "many.hdf5", walks)
    with h5py.File(many, "a") as file:
        del file["data/demo_0"]["obs/object"], file["data/demo_0"]["next_obs/object"]
        zeros = file["data/demo_0"].create_dataset("obs/object", (10**6, 2), "f8", compression="gzip")
        zeros[:] = 0.0
        for number in range(5, 60):  # the same array, many times
            file[f"data/demo_{number}"] = file["data/demo_0"]
    yield many, r"field 'data/demo_\d+/obs/object' declares 16 MB, .* with what was read before it"
    second = layouts.d3rlpy_second(folder / "second.h5", walks)
    with h5py.File(second, "a") as file:
        huge(file, "rewards_1")
    yield second, "field 'rewards_1' declares 8 TB"
    counted = layouts.d3rlpy_second(folder / "counted.h5", walks)
    with h5py.File(counted, "a") as file:
        del file["num_episodes"]
        file["num_episodes"] = 10**15
    yield counted, "field 'num_episodes' is 1000000000000000 at index 0, the file holds"
    first = layouts.d3rlpy_first(folder / "first.h5", walks)
    with h5py.File(first, "a") as file:
        huge(file, "terminals")
    yield first, "field 'terminals' declares 8 TB"
    for name, key in (
        ("neorl", "obs"),
        ("imitation", "obs"),
        ("stable_baselines", "actions"),
        ("single_task", "masks"),
    ):
        arrays = getattr(layouts, f"{name}_arrays")(walks)
        np.savez(folder / f"{name}.npz", **{other: array for other, array in arrays.items() if other != key})
        start = io.BytesIO()
        about = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)}
        np.lib.format.write_array_header_1_0(start, about)
        with zipfile.ZipFile(folder / f"{name}.npz", "a") as archive:
            archive.writestr(f"{key}.npy", start.getvalue())
        yield folder / f"{name}.npz", f"field '{key}' declares 16 TB, .*the file holds"
    (folder / "walks.json").write_text(
        json.dumps({"file": "neorl.npz", "observations": "obs", "actions": "action", "terminals": "done"})
    )
    yield folder / "walks.json", "neorl.npz: field 'obs' declares 16 TB"


def parquet(folder):
    """`(path, words)` of folders of LeRobot, written by pyarrow."""
    import pyarrow
    from pyarrow import parquet

    rows = 2_500_000
    same = pyarrow.array(np.zeros(rows, np.float32))
    cells = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(np.zeros(2 * rows, np.float32)), 2)
    number = pyarrow.array(np.zeros(rows, np.int64))
    table = {"observation.state": cells, "action": same, "episode_index": number, "frame_index": number}
    shapes = {"zeros": [2], "features": [10**9]}
    for name, shape in shapes.items():
        made = folder / name
        (made / "meta").mkdir(parents=True)
        (made / "data" / "chunk-000").mkdir(parents=True)
        few = {key: array if name == "zeros" else array[:4] for key, array in table.items()}
        parquet.write_table(pyarrow.table(few), made / "data/chunk-000/file-000.parquet", compression="zstd")
        features = {"observation.state": {"shape": shape}, "action": {"shape": [1]}}
        info = {"codebase_version": "v3.0", "features": features, "total_frames": rows, "total_episodes": 1}
        (made / "meta" / "info.json").write_text(json.dumps(info))
    yield folder / "zeros", r"field '\w+' declares .* with what was read before it"
    yield folder / "features", "field 'observation.state' declares 16 GB"
    long = folder / "long"
    (long / "meta").mkdir(parents=True)
    (long / "meta" / "info.json").write_text('{"x": "' + "x" * 5_000_000 + '"}')
    yield long, "field 'meta/info.json' has more than"
