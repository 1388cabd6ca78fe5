namespace Gauntlet.Pipelines.Checks.Source;

/// <summary>The first two characters of a set of words, so that most text is told apart from them without comparing it with each.</summary>
internal struct WordStarts
{
    private const int BitsPerPart = 64;

    private ulong _first;
    private ulong _firstTwo;

    public WordStarts(ReadOnlySpan<string> words)
    {
        foreach (var word in words)
            Add(word);
    }

    public void Add(ReadOnlySpan<char> word)
    {
        if (word.IsEmpty)
        {
            _first = _firstTwo = ulong.MaxValue;
            return;
        }
        _first |= Bit(word[0]);
        _firstTwo = word.Length == 1 ? ulong.MaxValue : _firstTwo | Bit(Mix(word));
    }

    /// <summary>False when no word of the set begins the text.</summary>
    public readonly bool MayStart(ReadOnlySpan<char> text) =>
        (!text.IsEmpty && (_first & Bit(text[0])) != 0 && (_firstTwo == ulong.MaxValue || (text.Length > 1 && (_firstTwo & Bit(Mix(text))) != 0))) || _first == ulong.MaxValue;

    private static int Mix(ReadOnlySpan<char> text) => (text[0] * 31) + text[1];

    private static ulong Bit(int character) => 1UL << (character % BitsPerPart);
}
