using Gauntlet.Fuzz.Engine;

namespace Gauntlet.Fuzz.Targets;

/// <summary>What a target knows of its bytes that is no device program: how to change them, and which belong together.</summary>
public interface IInputForm
{
    /// <summary>Makes an input of an input. What is returned lasts until the next call.</summary>
    /// <param name="other">One more of the corpus.</param>
    /// <param name="mostBytes">What is made is not longer.</param>
    ReadOnlySpan<byte> Mutate(FuzzRandom random, ReadOnlySpan<byte> input, ReadOnlySpan<byte> other, int mostBytes);

    /// <summary>Splits into what minimising leaves out as a whole; the first is always kept, and made of zeros as far as can be.</summary>
    IReadOnlyList<byte[]> Divide(byte[] input);
}
