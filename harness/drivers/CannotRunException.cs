namespace Gauntlet.Harness.Drivers;

/// <summary>A job that its VMM has no way to run, found out while planning it: a skip, with this reason.</summary>
public sealed class CannotRunException(string reason) : Exception(reason);
