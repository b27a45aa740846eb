"""`python -m benchmarks.train_mini`: prepare, train, distil, export, judge."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch
import torch.multiprocessing as mp

from benchmarks.train_mini import image, pictures
from benchmarks.train_mini.material import gather
from benchmarks.train_mini.teacher import TeacherJudge


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="python -m benchmarks.train_mini", description=__doc__)
    data = os.environ.get("FASHIONTAG_DATA", "../shared/data")
    p.add_argument("--data", type=Path, default=Path(data), help="the data folder")
    p.add_argument("--work", type=Path, default=Path("/tmp/mini"), help="caches and checkpoints")
    p.add_argument("--out", type=Path, help="default: the shipped folder, for a full run")
    p.add_argument("--name", default="image", help="name of this run's checkpoints")
    p.add_argument(
        "--minutes", type=float, nargs="+", default=[85, 85],
        help="time for the image tower, round by round",
    )  # fmt: skip
    p.add_argument(
        "--start", type=Path, help="averaged weights of an earlier stage, where no checkpoint is"
    )
    p.add_argument("--text-minutes", type=float, default=30, help="time for the text tower")
    p.add_argument("--text-width", type=int, default=128, help="of the text tower; a multiple of 4")
    p.add_argument(
        "--stage", choices=("prepare", "image", "text", "export", "judge", "all"), default="all"
    )
    p.add_argument("--split", default="val", help="what `judge` looks at; test once, at the end")
    p.add_argument("--hold-out", type=Path, help="file of types left out, with the group usage")
    p.add_argument(
        "--wordnet", type=Path, default=Path("/usr/share/wordnet"),
        help="folder of WordNet's data.noun (Debian: wordnet-base)",
    )  # fmt: skip
    p.add_argument("--quick", action="store_true", help="a quarter of data, a sixth of time")
    p.add_argument("--brief", action="store_true", help="text tower: only words of the captions")
    p.add_argument("--tower", default="tf_efficientnet_lite0")
    p.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args()


def main() -> None:
    args = arguments()
    if args.quick:
        args.work = args.work / "quick"
    if args.out is None:  # a lesser model never takes the shipped one's place
        shipped = Path("fashiontag/encoders/mini")
        args.out = args.work / f"{args.name}-model" if args.quick or args.hold_out else shipped
    args.work.mkdir(parents=True, exist_ok=True)
    if not (args.wordnet / "data.noun").exists():
        raise SystemExit(
            f"{args.wordnet} has no data.noun; install wordnet-base, or name its folder."
        )
    stages = (
        ("prepare", "image", "text", "export", "judge") if args.stage == "all" else (args.stage,)
    )
    share = 1 / 6 if args.quick else 1.0
    options = {
        "data": args.data, "work": args.work, "hold_out": args.hold_out, "quick": args.quick,
        "minutes": [m * share for m in args.minutes], "tower": args.tower,
        "cores": args.cores, "seed": args.seed, "name": args.name, "rate": 1e-3, "evaluate": None,
        "wordnet": args.wordnet, "text_width": args.text_width, "start": args.start,
        "run": f"{os.getpid()}-{int(time.time())}",
    }  # fmt: skip
    if "prepare" in stages:
        pictures.prepare(args.data, args.work, quick=args.quick)
    if "image" in stages:
        material = gather(args.data, args.work, hold_out=args.hold_out, quick=args.quick)
        options["evaluate"] = TeacherJudge(args.data, args.work, args.cores)
        world = 1 if torch.cuda.is_available() else args.cores
        mp.start_processes(
            image.train, (world, material, options), nprocs=world, start_method="spawn"
        )
    if "text" in stages:
        from benchmarks.train_mini import text

        text.distil(options | {"minutes": args.text_minutes * share, "brief": args.brief})
    if "export" in stages:
        from benchmarks.train_mini import export

        export.write(args.work, args.name, args.out)
    if "judge" in stages:
        from benchmarks.train_mini import export

        print(json.dumps(export.judge(args.data, args.work, args.out, args.split), indent=1))


if __name__ == "__main__":
    main()
