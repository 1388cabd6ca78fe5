using Gauntlet.Vmm.Memory;

namespace Gauntlet.Fuzz.Targets;

/// <summary>
/// Guest memory as the devices under test see it: what they read of it that neither the program nor a device has written is input too. The bytes that a program laid
/// ready (<see cref="Programs.OperationKind.DmaInput"/>) are put there just before the read, in order, until none is left.
/// </summary>
/// <remarks>Memory without a copy (<see cref="GetSpan"/>) is given as it is: who asks for it may be about to write.</remarks>
public sealed class DmaMemory : IGuestMemory
{
    private const int WordBits = 64;

    private readonly GuestMemory _memory;
    private readonly ulong _base;
    // A bit for every byte that was written, and the words of it that are not zero.
    private readonly ulong[] _written;
    private readonly List<int> _touched = [];
    private readonly byte[] _input = new byte[Programs.ProgramBytes.MaxOperations * Programs.Operation.MaxDataBytes];
    private int _taken, _laid;

    /// <param name="memory">One run of RAM.</param>
    public DmaMemory(GuestMemory memory)
    {
        _memory = memory;
        var ram = memory.Backing.Single();
        (_base, _written) = (ram.GuestAddress, new ulong[ram.Length / WordBits]);
    }

    /// <summary>Nothing is written, nothing is laid ready.</summary>
    public void Restart()
    {
        (_taken, _laid) = (0, 0);
        foreach (var word in _touched)
            _written[word] = 0;
        _touched.Clear();
    }

    /// <summary>Lays bytes ready behind those that are; what is more than a program can have is left out.</summary>
    public void Lay(ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..Math.Min(bytes.Length, _input.Length - _laid)];
        bytes.CopyTo(_input.AsSpan(_laid));
        _laid += bytes.Length;
    }

    /// <summary>The program wrote these bytes.</summary>
    public void NoteWritten(ulong address, ulong length)
    {
        var first = address - _base;
        var end = Math.Min(first + length, (ulong)_written.Length * WordBits);
        for (var at = first; at < end;)
        {
            var (word, bit) = ((int)(at / WordBits), (int)(at % WordBits));
            var count = (int)Math.Min(end - at, (ulong)(WordBits - bit));
            if (_written[word] == 0)
                _touched.Add(word);
            _written[word] |= ulong.MaxValue >> (WordBits - count) << bit;
            at += (ulong)count;
        }
    }

    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (_taken < _laid && _memory.IsBacked(address, (ulong)destination.Length, forWrite: true))
            Feed(address, destination.Length);
        return _memory.TryRead(address, destination);
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!_memory.TryWrite(address, source))
            return false;
        NoteWritten(address, (ulong)source.Length);
        return true;
    }

    public Span<byte> GetSpan(ulong address, int maxLength) => _memory.GetSpan(address, maxLength);

    public void MarkDirty(ulong address, ulong length)
    {
        _memory.MarkDirty(address, length);
        NoteWritten(address, length);
    }

    private void Feed(ulong address, int length)
    {
        var first = (int)(address - _base);
        for (var at = first; at < first + length && _taken < _laid; at++)
        {
            if ((_written[at / WordBits] >> (at % WordBits) & 1) != 0)
                continue;
            _memory.TryWrite(_base + (ulong)at, _input.AsSpan(_taken++, 1));
            NoteWritten(_base + (ulong)at, 1);
        }
    }
}
