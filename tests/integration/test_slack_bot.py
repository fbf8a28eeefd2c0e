"""A Slack bot: threads, updates, and no second post after a lost answer."""

from dataclasses import replace

import pytest
from support.messages import firing, resolved
from support.receivers import Answer, SlackApi, slack_api

import alert_channels
from watchfleet.errors import DeliveryError
from watchfleet.notify.channel import Sender
from watchfleet.notify.receivers import SlackConfig
from watchfleet.settings import Settings


def bot(api: SlackApi, channel: str = SlackApi.CHANNEL) -> Sender:
    config = SlackConfig(app_token=SlackApi.TOKEN, channel=channel, app_url=api.url)
    return alert_channels.load("slack").from_config(config, Settings())


def test_the_end_answers_in_the_thread_and_the_first_message_shows_it() -> None:
    with slack_api() as api:
        receipt = bot(api).send(firing("slack"))
        bot(api).send(replace(resolved("slack"), previous=receipt))
        first, answer = api.messages
    assert receipt.reference == first["ts"]
    assert answer["thread_ts"] == first["ts"]
    assert first["text"] == answer["text"] == "[RESOLVED] DependencyDown shop (critical)"
    assert api.methods() == ["chat.postMessage", "chat.postMessage", "chat.update"]


@pytest.mark.parametrize("channel", [SlackApi.CHANNEL, "#alerts"])
def test_a_lost_answer_is_looked_for_before_it_is_posted_again(channel: str) -> None:
    with slack_api() as api:
        api.answers.append(Answer(drop=True))
        with pytest.raises(DeliveryError, match="no_answer"):
            bot(api, channel).send(firing("slack"))
        receipt = bot(api, channel).send(replace(firing("slack"), attempt=2))
        assert len(api.messages) == 1
    assert (receipt.reference, receipt.extra["found"]) == (api.messages[0]["ts"], True)


def test_a_lost_answer_in_a_thread_is_looked_for_there() -> None:
    with slack_api() as api:
        end = replace(resolved("slack"), previous=bot(api).send(firing("slack")))
        api.answers.append(Answer(drop=True))
        with pytest.raises(DeliveryError, match="no_answer"):
            bot(api).send(end)
        bot(api).send(replace(end, attempt=2))
        assert len(api.messages) == 2
        assert api.messages[0]["text"].startswith("[RESOLVED]")


def test_a_lost_answer_is_found_in_a_channel_that_is_full_of_long_messages() -> None:
    with slack_api() as api:
        for number in range(60):
            bot(api).send(firing("slack", annotations={"summary": f"{number} " + "x" * 2_500}))
        api.answers.append(Answer(drop=True))
        last = replace(firing("slack"), delivery_id="the last")
        with pytest.raises(DeliveryError, match="no_answer"):
            bot(api).send(last)
        assert bot(api).send(replace(last, attempt=2)).extra["found"]
        assert len(api.messages) == 61


def test_what_was_never_posted_is_posted_by_the_next_try() -> None:
    with slack_api() as api:
        bot(api).send(replace(firing("slack"), attempt=2))
        assert len(api.messages) == 1


def test_a_first_message_that_was_deleted_does_no_harm() -> None:
    with slack_api() as api:
        receipt = bot(api).send(firing("slack"))
        api.messages.clear()
        bot(api).send(replace(resolved("slack"), previous=receipt))
        assert len(api.messages) == 1


@pytest.mark.parametrize(
    ("error", "permanent"),
    [("channel_not_found", True), ("invalid_auth", True), ("ratelimited", False), ("internal_error", False)],
)
def test_an_error_in_a_200_counts(error: str, permanent: bool) -> None:
    with slack_api() as api:
        api.answers.append(Answer(body=b'{"ok": false, "error": "%s"}' % error.encode()))
        with pytest.raises(DeliveryError) as caught:
            bot(api).send(firing("slack"))
    assert (caught.value.reason, caught.value.permanent) == (f"slack_{error}", permanent)


def test_the_token_is_in_no_error_and_no_repr() -> None:
    with slack_api() as api:
        config = SlackConfig(app_token=SlackApi.TOKEN, channel="C0", app_url=api.url)
        with pytest.raises(DeliveryError) as caught:
            alert_channels.load("slack").from_config(config, Settings()).send(firing("slack"))
    assert SlackApi.TOKEN not in f"{caught.value} {config!r}"
