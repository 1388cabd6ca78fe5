using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Targets;

/// <summary>What can be fuzzed in process: takes any bytes, many times, each time from the same state.</summary>
public interface IFuzzTarget : IDisposable
{
    /// <summary>What its input is made of, when that is device programs; null when it is plain bytes.</summary>
    Grammar? Grammar { get; }

    /// <summary>Inputs to begin with: what no mutation of nothing would come upon.</summary>
    IReadOnlyList<byte[]> Seeds => [];

    /// <summary>What it knows of its inputs beyond bytes and device programs; null for nothing.</summary>
    IInputForm? Form => null;

    /// <summary>Runs one input. Whatever this throws is a finding.</summary>
    void Run(ReadOnlySpan<byte> input);
}
