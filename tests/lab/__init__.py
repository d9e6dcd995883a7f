"""The failure lab: real processes are hurt under load, clients write down what they saw, a checker compares."""
