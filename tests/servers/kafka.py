"""One real Apache Kafka node, controller and broker in one process, from the jars that `deploy/kafka/pom.xml` names."""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from contextlib import AbstractContextManager
from pathlib import Path

from tests.servers.process import (
    DYING_WITH_OWNER,
    ServerMissing,
    answers,
    free_ports,
    kill_tree,
    pause_tree,
    wait_until,
)

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / ".cache" / "kafka" / "libs"
POM = ROOT / "deploy" / "kafka" / "pom.xml"
BOOT_SECONDS_MAX = 90.0

JVM_FLAGS = (
    *("-Xms128m", "-Xmx224m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxMetaspaceSize=96m"),
    *("-XX:ReservedCodeCacheSize=48m", "-XX:MaxDirectMemorySize=64m", "-Xss512k"),
    *("-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
)

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{client}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
num.network.threads=2
num.io.threads=2
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=8388608
file.delete.delay.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class KafkaBroker:
    """One node with its data in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._jars = find_jars()
        self._directory = directory
        self._properties = directory / "server.properties"
        self._log = directory / "broker.log"
        self._client_port, self._controller_port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def bootstrap(self) -> str:
        """`host:port` of the node."""
        return f"127.0.0.1:{self._client_port}"

    def start(self) -> None:
        """Start it, or start it again on the same data."""
        if self._process is not None and self._process.poll() is None:
            return
        if not self._properties.exists():
            self._format()
        command = [
            *DYING_WITH_OWNER,
            "java",
            *JVM_FLAGS,
            "-cp",
            f"{self._jars}/*",
            "kafka.Kafka",
            str(self._properties),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._directory, start_new_session=True
            )
        process = self._process
        wait_until(lambda: answers(self._client_port) or process.poll() is not None, "Kafka", BOOT_SECONDS_MAX)
        if process.poll() is not None:
            raise RuntimeError(f"Kafka ended: {self._log.read_text()[-1000:]}")

    def kill(self) -> None:
        """SIGKILL the node."""
        assert self._process is not None
        kill_tree(self._process)

    def stop(self) -> None:
        """Stop it in order; kill it if it does not stop."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()

    def paused(self) -> AbstractContextManager[None]:
        """Nothing of the node runs inside the block."""
        assert self._process is not None
        return pause_tree(self._process.pid)

    def _format(self) -> None:
        text = PROPERTIES.format(
            client=self._client_port, controller=self._controller_port, data=self._directory / "data"
        )
        self._properties.write_text(text)
        # A first byte of 0 makes it begin with A: the tool takes an id that begins with a dash for an option.
        cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # noqa: TID251
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties)]
        command = ["java", *JVM_FLAGS, "-cp", f"{self._jars}/*", *tool]
        subprocess.run(command, check=True, capture_output=True, cwd=self._directory)


def find_jars() -> Path:
    """The directory of the jars; fetched with Maven if missing. Raises ServerMissing."""
    if shutil.which("java") is None:
        raise ServerMissing("no Java on the path")
    if any(JARS.glob("kafka_2.13-*.jar")):
        return JARS
    if shutil.which("mvn") is None:
        raise ServerMissing(f"no jars in {JARS} and no Maven on the path to fetch them")
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with JARS.with_suffix(".lock").open("w") as lock:  # two workers of a test run want them at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not JARS.exists():
            _fetch_jars()
    return JARS


def _fetch_jars() -> None:
    with tempfile.TemporaryDirectory(dir=JARS.parent) as unfinished:
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={unfinished}/libs"]
        done = subprocess.run(
            ["mvn", "-B", "-q", "-f", str(POM), *goal],
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=os.environ,
        )
        if done.returncode != 0:
            raise ServerMissing(f"Maven could not fetch the jars: {done.stdout.decode(errors='replace')[-300:]}")
        Path(unfinished, "libs").rename(JARS)
