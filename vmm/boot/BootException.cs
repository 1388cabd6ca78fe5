namespace Gauntlet.Vmm.Boot;

/// <summary>A boot image that cannot be started: which, what is wrong with it, what would do.</summary>
public sealed class BootException(string message) : Exception(message);
