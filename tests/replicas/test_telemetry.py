"""What operators see of replicas."""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from app.db import Database
from app.db.models import TaskCreate
from app.db.replicas.routing import Routing
from app.db.telemetry.execution import Execution
from app.db.telemetry.replica_metrics import measure_replicas
from app.db.telemetry.spans import POOL_NAME
from app.repositories import TaskRepo
from tests.replicas.conftest import Pair
from tests.replicas.reading import served, status


async def test_reports_and_figures_say_where_a_read_ran(pair: Pair, routed: Database, user_id: str) -> None:
    """One that falls to the primary is told of twice, and counted as such."""
    ran: list[Execution] = []
    routed.report_to(ran.append)
    tasks, place = TaskRepo(routed), f"127.0.0.1:{pair.replica.server.port}"
    await tasks.create(user_id, TaskCreate(title="Buy milk"))
    await served(routed, lambda: tasks.count(user_id))
    assert [(each.name, each.replica) for each in (ran[0], ran[-1])] == [("tasks.create", None), ("tasks.count", place)]
    with pair.paused():
        before = routed.pool_status()
        await tasks.create(user_id, TaskCreate(title="Buy bread"))
        while status(routed).behind == before.replicas[0].behind:
            await tasks.count(user_id)
    assert [each.replica for each in ran[-2:]] == [place, None]
    assert routed.pool_status().reads_on_primary > before.reads_on_primary
    assert status(routed).place == place


async def test_metrics_show_each_replica(routed: Database, user_id: str) -> None:
    """By what became of the reads, with the lag, and with the reads that no replica answered."""
    routing = routed._routing
    assert isinstance(routing, Routing)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    measure_replicas("test", "the pool", routing, meter_provider=provider)
    await served(routed, lambda: TaskRepo(routed).count(user_id))
    data = reader.get_metrics_data()
    assert data
    points = {
        (metric.name, str((point.attributes or {}).get("db.client.replica.outcome"))): point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if (point.attributes or {}).get(POOL_NAME) == "the pool"
    }
    figures = status(routed)
    for outcome in ("served", "behind", "not_ready", "late", "failed"):
        assert getattr(points["db.client.replica.reads", outcome], "value") == getattr(figures, outcome)  # noqa: B009 - points have several types
    assert ("db.client.replica.lag", "None") in points
    assert ("db.client.primary.reads", "None") in points
    provider.shutdown()
