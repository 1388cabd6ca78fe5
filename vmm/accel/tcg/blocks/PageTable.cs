using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg.Blocks;

/// <summary>
/// The first translated block of each physical page: an open hash table with linear probing. Not the framework's dictionary, which the host would compile
/// for these types at each start, some milliseconds before the guest's first instruction.
/// </summary>
internal sealed unsafe class PageTable : IDisposable
{
    private const int InitialEntries = 256;

    private struct Entry
    {
        /// <summary>The page's address plus 1; 0: never used.</summary>
        public ulong Tag;
        public TranslatedBlock* First;
    }

    private Entry* _entries = Allocate(InitialEntries);
    private int _capacity = InitialEntries, _used;

    /// <summary>The head of a page's list, null in a page that is new. Good until the next call.</summary>
    /// <param name="page">Address of the page.</param>
    public ref TranslatedBlock* First(ulong page)
    {
        if (_used * 4 >= _capacity * 3)
            Grow();
        var entry = Find(_entries, _capacity, page + 1);
        if (entry->Tag == 0)
        {
            entry->Tag = page + 1;
            _used++;
        }
        return ref entry->First;
    }

    /// <summary>Takes a page's list out; null when there is none.</summary>
    public TranslatedBlock* Take(ulong page)
    {
        // The entry stays, so that no probe past it ends early: a page that had code once has it again.
        var entry = Find(_entries, _capacity, page + 1);
        var first = entry->First;
        entry->First = null;
        return first;
    }

    public void Clear()
    {
        NativeMemory.Clear(_entries, (nuint)_capacity * (nuint)sizeof(Entry));
        _used = 0;
    }

    public void Dispose()
    {
        NativeMemory.Free(_entries);
        _entries = null;
        _capacity = _used = 0;
    }

    private static Entry* Allocate(int capacity) => (Entry*)NativeMemory.AllocZeroed((nuint)capacity, (nuint)sizeof(Entry));

    /// <summary>The entry with this tag, or the free one where it belongs.</summary>
    private static Entry* Find(Entry* entries, int capacity, ulong tag)
    {
        var index = (int)((tag >> 12) * 0x9e3779b97f4a7c15 >> 33) & (capacity - 1);
        while (entries[index].Tag != tag && entries[index].Tag != 0)
            index = (index + 1) & (capacity - 1);
        return entries + index;
    }

    private void Grow()
    {
        var larger = Allocate(_capacity * 2);
        for (var i = 0; i < _capacity; i++)
        {
            if (_entries[i].Tag != 0)
                *Find(larger, _capacity * 2, _entries[i].Tag) = _entries[i];
        }
        NativeMemory.Free(_entries);
        _entries = larger;
        _capacity *= 2;
    }
}
