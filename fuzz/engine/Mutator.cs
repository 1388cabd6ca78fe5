using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Engine;

/// <summary>Makes inputs of inputs: by bytes, and by operations where the target takes device programs. Operators that find something are used more.</summary>
public sealed class Mutator
{
    /// <summary>Longest input that is made.</summary>
    public const int MaxInputBytes = 4_096;

    private const int ByteOperators = 9, TypedOperators = 7, FirstWeight = 8, Reward = 16, MostWeight = 1_024, MostStacked = 4, NewOperations = 4;

    private static readonly ulong[] Interesting = [0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0x1f, 0x20, 0x40, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, ulong.MaxValue];

    private readonly FuzzRandom _random;
    private readonly Grammar? _grammar;
    private readonly Aim[] _aims;
    private readonly int[] _weights;
    private readonly byte[][] _words;
    private readonly List<ulong> _dictionary = [.. Interesting];
    private readonly byte[] _made = new byte[MaxInputBytes], _moved = new byte[MaxInputBytes];
    private readonly int[] _starts = new int[ProgramBytes.MaxOperations + 1], _otherStarts = new int[ProgramBytes.MaxOperations + 1];
    private readonly int[] _used = new int[MostStacked];
    private readonly int _most;
    private int _length, _usedCount, _weightSum;

    /// <param name="mostBytes">Longest input, at most <see cref="MaxInputBytes"/>.</param>
    /// <param name="words">Text that inputs may have to have; of no use to device programs.</param>
    public Mutator(FuzzRandom random, Grammar? grammar, int mostBytes = MaxInputBytes, IReadOnlyList<string>? words = null)
    {
        _words = grammar is null && words is not null ? [.. words.Select(System.Text.Encoding.ASCII.GetBytes)] : [];
        (_random, _grammar, _most) = (random, grammar, Math.Clamp(mostBytes, 1, MaxInputBytes));
        _aims = [.. (grammar?.Windows ?? []).Select(static window => new Aim(window, [.. window.Registers]))];
        _weights = new int[ByteOperators + (grammar is null ? 0 : TypedOperators)];
        Array.Fill(_weights, FirstWeight);
        _weightSum = _weights.Sum();
        foreach (var register in _aims.SelectMany(static aim => aim.Registers))
        {
            if (register.Reset is { } reset)
                Learn(reset);
        }
    }

    /// <summary>A value that the target compares with.</summary>
    public void Learn(ulong value)
    {
        const int MostWords = 512;
        if (_dictionary.Count < MostWords && !_dictionary.Contains(value))
            _dictionary.Add(value);
    }

    /// <summary>The last input that was made found something.</summary>
    public void Succeeded()
    {
        foreach (var used in _used.AsSpan(0, _usedCount))
        {
            var weight = Math.Min(_weights[used] + Reward, MostWeight);
            _weightSum += weight - _weights[used];
            _weights[used] = weight;
        }
    }

    /// <summary>A few operators, one upon the other; now and then begun by joining with another input. What is returned lasts until the next call; nothing is allocated.</summary>
    public ReadOnlySpan<byte> Mutate(ReadOnlySpan<byte> input, ReadOnlySpan<byte> other)
    {
        _usedCount = 0;
        _length = 0;
        if (_random.OneIn(8))
        {
            Insert(0, input[.._random.Below(input.Length + 1)]);
            Insert(_length, other[_random.Below(other.Length + 1)..]);
        }
        else
        {
            Insert(0, input);
        }
        for (var left = 1 << _random.Below(3); left > 0; left--)
        {
            var chosen = Choose();
            _used[_usedCount++] = chosen;
            if (chosen < ByteOperators)
                MutateBytes(chosen);
            else
                MutateProgram(chosen - ByteOperators, other);
        }
        return _made.AsSpan(0, _length);
    }

    /// <summary>A value of a random width put where one of that width stood, for each place that holds <paramref name="seen"/>.</summary>
    public static IEnumerable<byte[]> Replace(byte[] input, long seen, long wanted)
    {
        var bytes = new byte[8];
        foreach (var width in (int[])[8, 4, 2, 1])
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, seen);
            var pattern = bytes[..width];
            for (var at = 0; at + width <= input.Length; at++)
            {
                if (!input.AsSpan(at, width).SequenceEqual(pattern))
                    continue;
                foreach (var near in (long[])[wanted, wanted - 1, wanted + 1])
                {
                    var made = (byte[])input.Clone();
                    BinaryPrimitives.WriteInt64LittleEndian(bytes, near);
                    bytes.AsSpan(0, width).CopyTo(made.AsSpan(at));
                    yield return made;
                }
            }
        }
    }

    /// <summary>A window with its registers at hand.</summary>
    private readonly record struct Aim(Window Window, Register[] Registers);

    private int Choose()
    {
        var at = _random.Below(_weightSum);
        var chosen = 0;
        while (at >= _weights[chosen])
            at -= _weights[chosen++];
        return chosen;
    }

    private ulong Word() => _dictionary[_random.Below(_dictionary.Count)];

    // What does not fit is cut.
    private void Insert(int at, ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..Math.Min(bytes.Length, _most - _length)];
        _made.AsSpan(at, _length - at).CopyTo(_made.AsSpan(at + bytes.Length));
        bytes.CopyTo(_made.AsSpan(at));
        _length += bytes.Length;
    }

    private void Remove(int at, int count)
    {
        _made.AsSpan(at + count, _length - at - count).CopyTo(_made.AsSpan(at));
        _length -= count;
    }

    private void MutateBytes(int operation)
    {
        Span<byte> word = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(word, _random.Next());
        if (_length == 0)
        {
            Insert(0, word[..1]);
            return;
        }
        var at = _random.Below(_length);
        var run = Math.Min(1 + _random.Below(8), _length - at);
        switch (operation)
        {
            case 0:
                _made[at] ^= (byte)(1 << _random.Below(8));
                break;
            case 1:
                _made[at] = word[0];
                break;
            case 2:
                _made[at] += (byte)(_random.Below(33) - 16);
                break;
            case 3:
                Remove(at, run);
                break;
            case 4:
                _made.AsSpan(at, run).CopyTo(_moved);
                Insert(at, _moved.AsSpan(0, run));
                break;
            case 5:
                Insert(at, word[..run]);
                break;
            case 7 when _words.Length > 0:
                // In the place of as much, or between.
                var text = _words[_random.Below(_words.Length)].AsSpan();
                if (_random.OneIn(2))
                    Insert(at, text);
                else
                    text[..Math.Min(text.Length, _length - at)].CopyTo(_made.AsSpan(at));
                break;
            case 6 or 7:
                BinaryPrimitives.WriteUInt64LittleEndian(word, Word());
                word[..Math.Min(1 << _random.Below(4), _length - at)].CopyTo(_made.AsSpan(at));
                break;
            default:
                _made.AsSpan(_random.Below(_length - run + 1), run).CopyTo(_made.AsSpan(at));
                break;
        }
    }

    // On the bytes, by whole operations.
    [SkipLocalsInit]
    private void MutateProgram(int kind, ReadOnlySpan<byte> other)
    {
        var count = ProgramBytes.Split(_made.AsSpan(0, _length), _grammar!, _starts);
        // A cut-off operation at the end would take in what is put before it.
        _length = _starts[count];
        var index = _random.Below(count + 1);
        var (at, size) = (_starts[index], index < count ? _starts[index + 1] - _starts[index] : 0);
        Span<byte> one = stackalloc byte[ProgramBytes.MaxOperationBytes];
        switch (kind)
        {
            case 1 when index < count:
                Remove(at, _starts[Math.Min(index + 1 + _random.Below(4), count)] - at);
                break;
            case 2 when index < count:
                var with = _random.Below(count);
                Swap(Math.Min(index, with), Math.Max(index, with));
                break;
            case 3 when index < count:
                _made.AsSpan(at, size).CopyTo(_moved);
                for (var left = 1 + _random.Below(16); left > 0 && _length + size <= _most; left--)
                    Insert(at, _moved.AsSpan(0, size));
                break;
            case 4 when index < count:
                Replace(at, size, Retarget(OperationAt(at, size)), one);
                break;
            case 5 when index < count && OperationAt(at, size) is { Kind: OperationKind.Write } write:
                Replace(at, size, Operation.Write(write.Space, write.Address, write.Size, _random.OneIn(2) ? Word() : write.Value ^ 1UL << _random.Below(write.Size * 8)), one);
                break;
            case 6:
                var guests = ProgramBytes.Split(other, _grammar!, _otherStarts);
                var from = _random.Below(guests + 1);
                Insert(at, other[_otherStarts[from].._otherStarts[Math.Min(from + 1 + _random.Below(8), guests)]]);
                break;
            default:
                for (var left = kind == 0 ? 1 + _random.Below(NewOperations) : 1; left > 0; left--)
                    Replace(at, 0, NewOperation(), one);
                break;
        }
    }

    private Operation OperationAt(int at, int size)
    {
        var reader = new ProgramBytes.Reader(_made.AsSpan(at, size), _grammar!);
        reader.MoveNext();
        return reader.Current;
    }

    private void Replace(int at, int size, in Operation operation, Span<byte> buffer)
    {
        var made = buffer[..ProgramBytes.Encode(in operation, _grammar!, buffer)];
        if (made.Length == size)
        {
            made.CopyTo(_made.AsSpan(at));
            return;
        }
        Remove(at, size);
        Insert(at, made);
    }

    private void Swap(int first, int second)
    {
        if (first == second)
            return;
        var (start, middle, last, end) = (_starts[first], _starts[first + 1], _starts[second], _starts[second + 1]);
        var moved = _moved.AsSpan(0, end - start);
        _made.AsSpan(last, end - last).CopyTo(moved);
        _made.AsSpan(middle, last - middle).CopyTo(moved[(end - last)..]);
        _made.AsSpan(start, middle - start).CopyTo(moved[(end - middle)..]);
        moved.CopyTo(_made.AsSpan(start));
    }

    private Operation NewOperation()
    {
        if (_grammar!.HasDmaInput && _random.OneIn(16))
            return NewDmaInput();
        if (_grammar.PciRegisters.Count > 0 && _random.OneIn(16))
            return NewPciAccess(_grammar.PciRegisters);
        switch (_random.Below(24))
        {
            case 0:
                return Operation.Reset();
            case 1:
                return Operation.Snapshot();
            case 2:
                return Operation.Restore();
            case 3:
                return Operation.SampleInterrupts();
            case 4 or 5:
                return Operation.ClockStep(_random.Next() >> (11 + _random.Below(44)));
        }
        if (_aims.Length == 0)
            return Operation.ClockStep(1);
        ref readonly var aim = ref _aims[_random.Below(_aims.Length)];
        var (address, size) = Take(in aim);
        return _random.OneIn(3) ? Operation.Read(aim.Window.Space, address, size) : Operation.Write(aim.Window.Space, address, size, _random.OneIn(2) ? Word() : _random.Next());
    }

    // Words that the target knows, as a structure in memory has.
    private Operation NewDmaInput()
    {
        Span<byte> data = stackalloc byte[sizeof(ulong) * 8];
        var length = 1 + _random.Below(data.Length);
        for (var at = 0; at < length; at += sizeof(ulong))
            BinaryPrimitives.WriteUInt64LittleEndian(data[at..], _random.OneIn(2) ? Word() : _random.Next());
        return Operation.DmaInput(data[..length]);
    }

    // Registers that take writes, mostly: a bit, or a word that the target knows.
    private Operation NewPciAccess(IReadOnlyList<(int Function, int Register)> registers)
    {
        var size = 1 << _random.Below(3);
        var (function, register) = registers[_random.Below(registers.Count)];
        register = _random.OneIn(8) ? _random.Below(256) & -size : register + (_random.Below(4) & -size);
        var value = _random.Below(3) switch { 0 => Word(), 1 => 1UL << _random.Below(size * 8), _ => _random.Next() };
        return _random.OneIn(3) ? Operation.PciRead(function, register, size) : Operation.PciWrite(function, register, size, value);
    }

    // A declared register in its width, mostly.
    private (ulong Address, int Size) Take(in Aim aim)
    {
        var window = aim.Window;
        var (offset, size) = ((ulong)_random.Below((int)Math.Min(window.Length, int.MaxValue)), 1 << _random.Below(4));
        if (aim.Registers.Length > 0 && !_random.OneIn(8))
        {
            var register = aim.Registers[_random.Below(aim.Registers.Length)];
            (offset, size) = (register.Offset, register.Width);
        }
        return (window.Base + offset, window.Space == AddressSpace.Port ? Math.Min(size, 4) : size);
    }

    private Operation Retarget(in Operation operation)
    {
        if (operation.Kind is not (OperationKind.Read or OperationKind.Write))
            return operation;
        var address = operation.Address;
        var space = operation.Space;
        foreach (ref readonly var aim in _aims.AsSpan())
        {
            if (aim.Window.Space != space || !aim.Window.Contains(address))
                continue;
            var (to, size) = Take(in aim);
            return operation.Kind == OperationKind.Read ? Operation.Read(space, to, size) : Operation.Write(space, to, size, operation.Value);
        }
        return operation;
    }
}
