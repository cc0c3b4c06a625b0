"""The dashboard and the alerts ask for what /metrics really gives, by names, labels and their values."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.fronts import DEPLOY, needs
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head
from transcoded.plan.endings import Reason

ALERTS = DEPLOY / "prometheus/alerts.yml"
DASHBOARD: Any = json.loads((DEPLOY / "grafana/dashboard.json").read_text("utf-8"))
_OF_PROMETHEUS = {"instance", "job"}


def alert_rules() -> Sequence[Any]:
    """The rules."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (it comes with kubernetes-validate of PyPI)")
    return [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]


def panel_expressions() -> Sequence[str]:
    """What the dashboard asks for."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def given(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """The labels of each sample that a daemon gives which has had one stream that was ended."""
    with LiveDaemon(tmp_path_factory.mktemp("metrics"), {"m": clips.directory}) as daemon:
        with daemon.open("/media/m/long.mkv/stream.wav") as connection:
            stream = read_head(connection)[1]["x-stream-id"]
        daemon.ending(stream)
        text = daemon.get("/metrics").body.decode()
    samples: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def check(expressions: Sequence[str], given: Mapping[str, set[str]]) -> set[str]:
    """That what these ask for is given; the names."""
    used = set()
    for expression in expressions:
        for name, selector in re.findall(r"\b(transcoded_\w+)(?:\{([^}]*)\})?", expression):
            assert name in given, f"{name} of {expression}"
            used.add(name)
            for label, value in re.findall(r'(\w+)=~?"([^"]*)"', selector):
                assert label in given[name] | _OF_PROMETHEUS, f"{label} of {expression}"
                if label == "reason":
                    assert set(value.split("|")) <= {reason.value for reason in Reason}, expression
        names = re.findall(r"transcoded_\w+", expression)
        for labels in re.findall(r"\bby \(([^)]*)\)", expression):
            for label in labels.split(","):
                assert label.strip() in _OF_PROMETHEUS.union(*(given[name] for name in names)), expression
    return used


def test_the_dashboard_asks_for_what_is_given(given: Mapping[str, set[str]]) -> None:
    used = check(panel_expressions(), given)
    variables = [one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    check(variables, given)
    # And it leaves nothing out.
    base = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in given if name.startswith("transcoded_")}
    shown = {re.sub(r"_bucket$", "", name) for name in used}
    # Those of `_created` alone; their totals are there by their own names.
    assert {name for name in base if not name.endswith(("endings", "bytes_sent", "fallbacks"))} <= shown


def test_the_dashboard_is_well_made() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_the_alerts_ask_for_what_is_given(given: Mapping[str, set[str]]) -> None:
    rules = alert_rules()
    used = check([rule["expr"] for rule in rules], given)
    assert "transcoded_processes_leaked" in used
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]


def test_prometheus_itself_takes_all_of_it(tmp_path: Path) -> None:
    promtool = needs("promtool", "prometheus")
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    panels = {f"panel:{number}": expression for number, expression in enumerate(panel_expressions())}
    rules = [
        {"record": name, "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for name, expression in panels.items()
    ]
    # JSON is YAML.
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    for arguments in (["check", "rules", "alerts.yml", "panels.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
