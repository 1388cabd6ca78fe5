namespace Gauntlet.Pipelines.Checks.Text;

/// <summary>
/// A set of words that spans are looked up in. The library's sets do that with generic code which is compiled anew at each start; this is compiled with the program.
/// </summary>
internal sealed class WordSet
{
    private const int LeastSlots = 64;

    private string?[] _slots = new string?[LeastSlots];
    private int _count;

    public WordSet(params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
            Add(word);
    }

    public bool Contains(ReadOnlySpan<char> word) => _slots[Find(word)] is not null;

    public void Add(ReadOnlySpan<char> word)
    {
        var slot = Find(word);
        if (_slots[slot] is not null)
            return;
        _slots[slot] = word.ToString();
        if (++_count * 2 > _slots.Length)
            Grow();
    }

    public void AddAll(WordSet other)
    {
        foreach (var word in other._slots)
        {
            if (word is not null)
                Add(word);
        }
    }

    public void Clear()
    {
        if (_count > 0)
            _slots = new string?[LeastSlots];
        _count = 0;
    }

    /// <summary>The word's slot, or the empty one where it belongs. Hashes differ from run to run, so no patch can choose words that collide.</summary>
    private int Find(ReadOnlySpan<char> word)
    {
        var slot = string.GetHashCode(word) & (_slots.Length - 1);
        while (_slots[slot] is { } other && !word.SequenceEqual(other))
            slot = (slot + 1) & (_slots.Length - 1);
        return slot;
    }

    private void Grow()
    {
        var words = _slots;
        _slots = new string?[words.Length * 2];
        foreach (var word in words)
        {
            if (word is not null)
                _slots[Find(word)] = word;
        }
    }
}
