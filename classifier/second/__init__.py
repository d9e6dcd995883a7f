"""The second tier: a small transformer of our own, asked where the first tier is uncertain.

Serving needs onnxruntime and tokenizers (`requirements-tier2.txt`); training needs torch and onnx beside
scikit-learn. Without its packages or its model file there is no second tier, and nothing else changes.
"""
