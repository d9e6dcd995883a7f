"""The transformer as an ONNX graph in whole numbers: eight bits of what flows, seven bits of what is learned.

Each matrix product is one of integers, with scales fixed beforehand for what flows (static quantisation, per tensor)
and for each output of what is learned (per channel). Seven bits, because processors without instructions of their own
for this add pairs of products in 16 bits, which eight would overflow: so the sums are the same on all of them.

All texts of a batch have the same length, so nothing is padded and no text's score depends on what it came with.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from classifier.scores import LABELS
from classifier.second.shape import NORM_EPSILON, Shape
from classifier.second.steps import Array, Scale, quantised

INPUT, OUTPUT = "ids", "odds"
_OURS = "com.microsoft"
"""Where onnxruntime keeps products of integers with scales, and attention as one step."""

_OPSET = 20


class Graph:
    """A graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **settings: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **settings))
        return output


def build(weights: Mapping[str, Array], shape: Shape, scales: Mapping[str, Scale]) -> bytes:
    """The graph's bytes. weights: as `network.Network` names them. scales: by product, `LAYER.input` (see `products`).

    Input `ids`: int64, texts x length. Output `odds`: float32, texts x labels.
    """
    graph = Graph()
    states = _embedded(graph, weights)
    for layer in range(shape.layers):
        states = _layer(graph, weights, shape, scales, layer, states)
    mean = graph.node("ReduceMean", [states, graph.constant("over", np.array([1], np.int64))], "mean", keepdims=0)
    head = [graph.constant("head.weight", weights["head.weight"]), graph.constant("head.bias", weights["head.bias"])]
    graph.node("Gemm", [mean, *head], OUTPUT, transB=1)
    made = helper.make_graph(
        graph.nodes,
        "comity-second",
        [helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["texts", "length"])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["texts", len(LABELS)])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_OURS, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9, producer_name="comity")
    return bytes(model.SerializeToString(deterministic=True))


def products(shape: Shape) -> dict[str, tuple[str, ...]]:
    """What flows into products, by name, and the weights it is multiplied with."""
    found: dict[str, tuple[str, ...]] = {}
    for layer in range(shape.layers):
        found[f"{layer}.read"] = tuple(f"layers.{layer}.{part}" for part in ("query", "key", "value"))
        found[f"{layer}.mixed"] = (f"layers.{layer}.mixed",)
        found[f"{layer}.up"] = (f"layers.{layer}.up",)
        found[f"{layer}.down"] = (f"layers.{layer}.down",)
    return found


def _embedded(graph: Graph, weights: Mapping[str, Array]) -> str:
    words, steps = quantised(weights["words.weight"], 127)
    graph.node("Gather", [graph.constant("words", words), INPUT], "word_numbers")
    graph.node("Cast", ["word_numbers"], "word_values", to=TensorProto.FLOAT)
    graph.node("Gather", [graph.constant("word_steps", steps[:, None]), INPUT], "word_step")
    graph.node("Mul", ["word_values", "word_step"], "word_vectors")
    graph.node("Shape", [INPUT], "length", start=1, end=2)
    zero = graph.constant("zero", np.array([0], np.int64))
    graph.node("Slice", [graph.constant("places", weights["places"]), zero, "length"], "place_vectors")
    graph.node("Add", ["word_vectors", "place_vectors"], "placed")
    norm = [graph.constant(f"norm.{kind}", weights[f"norm.{kind}"]) for kind in ("weight", "bias")]
    return graph.node("LayerNormalization", ["placed", *norm], "embedded", axis=-1, epsilon=NORM_EPSILON)


def _layer(
    graph: Graph, weights: Mapping[str, Array], shape: Shape, scales: Mapping[str, Scale], layer: int, states: str
) -> str:
    def product(name: str, flowing: str) -> str:
        return _product(graph, weights, scales[f"{layer}.{name}"], products(shape)[f"{layer}.{name}"], flowing)

    def added(name: str, before: str, change: str) -> str:
        norm = [graph.constant(f"{layer}.{name}.{kind}", weights[f"layers.{layer}.{name}.{kind}"])
                for kind in ("weight", "bias")]  # fmt: skip
        both = graph.node("Add", [change, before], f"{layer}.{name}.both")
        return graph.node("LayerNormalization", [both, *norm], f"{layer}.{name}", axis=-1, epsilon=NORM_EPSILON)

    read = product("read", states)
    parts = [f"{layer}.{part}" for part in ("query", "key", "value")]
    graph.nodes.append(helper.make_node("Split", [read], parts, name=f"{layer}.parts", axis=-1, num_outputs=3))
    seen = graph.node("MultiHeadAttention", parts, f"{layer}.seen", _OURS, num_heads=shape.heads)
    states = added("after_attention", states, product("mixed", seen))
    wide = graph.node("Gelu", [product("up", states)], f"{layer}.wide")
    return added("after_net", states, product("down", wide))


def _product(graph: Graph, weights: Mapping[str, Array], scale: Scale, names: tuple[str, ...], flowing: str) -> str:
    name = names[0]
    step = graph.constant(f"{name}.flow_step", np.array(scale.step, np.float32))
    zero = graph.constant(f"{name}.flow_zero", np.array(scale.zero, np.uint8))
    numbers = graph.node("QuantizeLinear", [flowing, step, zero], f"{name}.numbers")
    learned, steps = quantised(np.concatenate([weights[f"{part}.weight"] for part in names]))
    bias = np.concatenate([weights[f"{part}.bias"] for part in names])
    inputs = [
        numbers, graph.constant(f"{name}.weight", learned.T), step, graph.constant(f"{name}.steps", steps), zero, "",
        graph.constant(f"{name}.bias", bias),
    ]  # fmt: skip
    return graph.node("MatMulIntegerToFloat", inputs, f"{name}.product", _OURS)
