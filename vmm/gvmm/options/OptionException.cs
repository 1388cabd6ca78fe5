namespace Gauntlet.Vmm.Program.Options;

/// <summary>A command line that cannot be carried out; the message names the option and says what would do.</summary>
public sealed class OptionException(string message) : Exception(message);
