"""mlxdiag: the doctor for clusters of Macs that run MLX distributed over Thunderbolt."""

__version__ = "0.1.0"
