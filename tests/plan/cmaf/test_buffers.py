"""What a viewer has buffered: who has much can wait for those who have nothing."""

from transcoded.plan.cmaf.buffers import BufferEstimate


def test_it_is_what_was_given_less_the_time_since() -> None:
    buffer = BufferEstimate()
    assert buffer.seconds(100.0) == 0
    buffer.requested(5, 10.0, 100.0)
    assert buffer.seconds(100.0) == 0
    buffer.requested(6, 12.0, 100.5)
    assert buffer.seconds(100.5) == 2.0
    buffer.requested(7, 14.0, 101.0)
    assert buffer.seconds(101.0) == 3.5
    assert buffer.seconds(103.5) == 1.0
    assert buffer.seconds(110.0) == 0


def test_a_viewer_who_had_to_wait_begins_anew() -> None:
    buffer = BufferEstimate()
    buffer.requested(0, 0.0, 0.0)
    buffer.requested(1, 2.0, 30.0)
    assert buffer.seconds(30.0) == 2.0, "it came when it was requested or later, so all of it is left"


def test_a_seek_leaves_nothing() -> None:
    buffer = BufferEstimate()
    for number in range(5):
        buffer.requested(number, 2.0 * number, 0.0)
    assert buffer.seconds(0.0) == 8.0
    buffer.requested(4, 8.0, 0.0)
    assert buffer.seconds(0.0) == 8.0, "the same once more"
    buffer.requested(100, 200.0, 0.0)
    assert buffer.seconds(0.0) == 0
    buffer.requested(101, 202.0, 0.0)
    assert buffer.seconds(0.0) == 2.0
    buffer.requested(99, 198.0, 0.0)
    assert buffer.seconds(0.0) == 0
