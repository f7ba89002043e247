"""New models: a function of their arguments alone."""

import math

import torch

from mathlm.models import ModelSizes, create_llama

SIZES = ModelSizes(layers=2, hidden=64, heads=2)
torch.set_num_threads(1)


def weights(**changed):
    model = create_llama(**{"sizes": SIZES, "vocab_size": 500, "seed": 3} | changed)
    return model.state_dict()


def test_same_arguments_same_weights_whatever_the_global_state():
    torch.manual_seed(1)
    first, state = weights(), torch.get_rng_state()
    torch.manual_seed(2)
    second = weights()
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state), "the global state is left alone"


def test_seed_changes_every_matrix():
    first, second = weights(), weights(seed=4)
    for name, value in first.items():
        assert torch.equal(value, second[name]) == (value.ndim < 2), name


def test_a_weight_does_not_depend_on_other_sizes():
    name = "model.layers.0.self_attn.q_proj.weight"
    assert torch.equal(weights()[name], weights(vocab_size=90)[name])


def test_deviations_follow_the_rules():
    found = weights()
    small, writer = math.sqrt(2 / (5 * 64)), 2 / (2 * math.sqrt(64))
    assert abs(found["model.embed_tokens.weight"].std() / small - 1) < 0.02
    assert abs(found["model.layers.1.mlp.down_proj.weight"].std() / writer - 1) < 0.02
    assert abs(found["model.layers.1.self_attn.o_proj.weight"].std() / writer - 1) < 0.03
    assert torch.equal(found["model.norm.weight"], torch.ones(64))


def test_a_new_model_knows_nothing():
    model = create_llama(SIZES, vocab_size=500, seed=0, max_positions=32).eval()
    ids = torch.arange(32)[None] * 7
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
    loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:])
    assert abs(float(loss) - math.log(500)) < 0.5


def test_special_tokens_and_positions_reach_the_config():
    model = create_llama(SIZES, vocab_size=9, seed=0, max_positions=77, eos_token_id=5)
    assert (model.config.eos_token_id, model.config.max_position_embeddings) == (5, 77)
    longer = ModelSizes(layers=2, hidden=64, heads=2, max_positions=99)
    longer_model = create_llama(longer, vocab_size=9, seed=0, max_positions=77)
    assert longer_model.config.max_position_embeddings == 99
