"""As much of FiftyOne's API as is used here, for a machine where it isn't installed.

FiftyOne needs a MongoDB server, which its package doesn't bring everywhere. Where it is installed
and FIFTYONE_DATABASE_URI names any server of MongoDB's protocol, the same tests run on its own API
(1.22.1 on `secantusdb` passed them all).

`Dataset.add_samples`, `export` with ``export_media="move"`` and `from_dir` do what its
documentation says; the file that a data set is kept in is its own business, here as there.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace


@dataclass
class Classification:
    label: str


@dataclass
class Classifications:
    classifications: list[Classification] = field(default_factory=list)


class Sample:
    def __init__(self, filepath: str, **fields: object) -> None:
        assert all(name.isidentifier() for name in fields)
        self.fields = {"filepath": filepath, **fields}

    def __getitem__(self, name: str) -> object:
        return self.fields[name]

    def __setitem__(self, name: str, value: object) -> None:
        self.fields[name] = value

    def has_field(self, name: str) -> bool:
        return name in self.fields


class Dataset:
    def __init__(self) -> None:
        self.info: dict[str, object] = {}
        self.samples: list[Sample] = []

    def __iter__(self):
        return iter(self.samples)

    def add_samples(self, samples) -> None:
        self.samples += samples

    def save(self) -> None:
        json.dumps(self.info)

    def delete(self) -> None:
        self.samples = []

    def export(self, export_dir: str, dataset_type: str, export_media: object = True) -> None:
        assert dataset_type == types.FiftyOneDataset
        data = Path(export_dir, "data")
        data.mkdir(parents=True, exist_ok=True)
        rows = []
        for sample in self.samples:
            source = Path(str(sample["filepath"]))
            put = shutil.move if export_media == "move" else shutil.copy
            row = dict(sample.fields, filepath=put(source, data / source.name).name)
            for name, value in row.items():
                row[name] = asdict(value) if isinstance(value, Classifications) else value
            rows.append(row)
        kept = {"info": self.info, "samples": rows}
        Path(export_dir, "samples.json").write_text(json.dumps(kept))

    @classmethod
    def from_dir(cls, dataset_dir: str, dataset_type: str) -> "Dataset":
        assert dataset_type == types.FiftyOneDataset
        kept = json.loads(Path(dataset_dir, "samples.json").read_text())
        dataset = cls()
        dataset.info = kept["info"]
        for row in kept["samples"]:
            for name, value in row.items():
                if isinstance(value, dict):
                    labels = [Classification(**one) for one in value["classifications"]]
                    row[name] = Classifications(labels)
            row["filepath"] = str(Path(dataset_dir, "data", row["filepath"]))
            dataset.samples.append(Sample(**row))
        return dataset


def list_datasets() -> list[str]:
    return []


types = SimpleNamespace(FiftyOneDataset="FiftyOneDataset")
