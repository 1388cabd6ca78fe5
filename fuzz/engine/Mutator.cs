using System.Buffers.Binary;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Engine;

/// <summary>Makes inputs of inputs: by bytes, and by operations where the target takes device programs. Operators that find something are used more.</summary>
public sealed class Mutator
{
    /// <summary>Longest input that is made.</summary>
    public const int MaxInputBytes = 4_096;

    private const int ByteOperators = 8, TypedOperators = 7, FirstWeight = 8, Reward = 16, MostWeight = 1_024, MostStacked = 6, NewOperations = 4;

    private static readonly ulong[] Interesting = [0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0x1f, 0x20, 0x40, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, ulong.MaxValue];

    private readonly FuzzRandom _random;
    private readonly Grammar? _grammar;
    private readonly int[] _weights;
    private readonly List<ulong> _dictionary = [.. Interesting];
    private readonly List<Operation> _program = [];
    private readonly List<int> _used = [];

    public Mutator(FuzzRandom random, Grammar? grammar)
    {
        (_random, _grammar) = (random, grammar);
        _weights = new int[ByteOperators + (grammar is null ? 0 : TypedOperators)];
        Array.Fill(_weights, FirstWeight);
        foreach (var window in grammar?.Windows ?? [])
        {
            foreach (var register in window.Registers)
            {
                if (register.Reset is { } reset)
                    Learn(reset);
            }
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
        foreach (var used in _used)
            _weights[used] = Math.Min(_weights[used] + Reward, MostWeight);
    }

    /// <summary>A few operators, one upon the other; now and then begun by joining with another input.</summary>
    public byte[] Mutate(byte[] input, byte[] other)
    {
        _used.Clear();
        var made = _random.OneIn(8) ? Splice(input, other) : [.. input];
        for (var left = 1 + _random.Below(MostStacked); left > 0; left--)
        {
            var chosen = Choose();
            _used.Add(chosen);
            made = chosen < ByteOperators ? MutateBytes(made, chosen) : MutateProgram(made, chosen - ByteOperators, other);
        }
        return made.Length > MaxInputBytes ? made[..MaxInputBytes] : made;
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

    private int Choose()
    {
        var at = _random.Below(_weights.Sum());
        var chosen = 0;
        while (at >= _weights[chosen])
            at -= _weights[chosen++];
        return chosen;
    }

    private ulong Word() => _dictionary[_random.Below(_dictionary.Count)];

    private byte[] Splice(byte[] first, byte[] second) =>
        [.. first.AsSpan(0, _random.Below(first.Length + 1)), .. second.AsSpan(_random.Below(second.Length + 1))];

    private byte[] MutateBytes(byte[] input, int operation)
    {
        if (input.Length == 0)
            return [(byte)_random.Next()];
        var at = _random.Below(input.Length);
        var run = Math.Min(1 + _random.Below(8), input.Length - at);
        switch (operation)
        {
            case 0:
                input[at] ^= (byte)(1 << _random.Below(8));
                return input;
            case 1:
                input[at] = (byte)_random.Next();
                return input;
            case 2:
                input[at] += (byte)(_random.Below(33) - 16);
                return input;
            case 3:
                return [.. input.AsSpan(0, at), .. input.AsSpan(at + run)];
            case 4:
                return [.. input.AsSpan(0, at), .. input.AsSpan(at, run), .. input.AsSpan(at)];
            case 5:
                var random = new byte[run];
                foreach (ref var value in random.AsSpan())
                    value = (byte)_random.Next();
                return [.. input.AsSpan(0, at), .. random, .. input.AsSpan(at)];
            case 6:
                Span<byte> word = stackalloc byte[8];
                BinaryPrimitives.WriteUInt64LittleEndian(word, Word());
                word[..Math.Min(1 << _random.Below(4), input.Length - at)].CopyTo(input.AsSpan(at));
                return input;
            default:
                input.AsSpan(_random.Below(input.Length - run + 1), run).CopyTo(input.AsSpan(at));
                return input;
        }
    }

    private byte[] MutateProgram(byte[] input, int operation, byte[] other)
    {
        ProgramBytes.Decode(input, _grammar!, _program);
        var at = _random.Below(_program.Count + 1);
        switch (operation)
        {
            case 0:
                for (var left = 1 + _random.Below(NewOperations); left > 0; left--)
                    _program.Insert(at, NewOperation());
                break;
            case 1 when at < _program.Count:
                _program.RemoveRange(at, Math.Min(1 + _random.Below(4), _program.Count - at));
                break;
            case 2 when at < _program.Count:
                var swapped = _random.Below(_program.Count);
                (_program[at], _program[swapped]) = (_program[swapped], _program[at]);
                break;
            case 3 when at < _program.Count:
                for (var left = 1 + _random.Below(16); left > 0; left--)
                    _program.Insert(at, _program[at]);
                break;
            case 4 when at < _program.Count:
                _program[at] = Retarget(_program[at]);
                break;
            case 5 when at < _program.Count && _program[at] is { Kind: OperationKind.Write } write:
                _program[at] = Operation.Write(write.Space, write.Address, write.Size, _random.OneIn(2) ? Word() : write.Value ^ 1UL << _random.Below(write.Size * 8));
                break;
            case 6:
                var guest = ProgramBytes.Decode(other, _grammar!);
                var from = _random.Below(guest.Count + 1);
                _program.InsertRange(at, guest.Skip(from).Take(1 + _random.Below(8)));
                break;
            default:
                _program.Insert(at, NewOperation());
                break;
        }
        return ProgramBytes.Encode(_program, _grammar!);
    }

    private Operation NewOperation()
    {
        var windows = _grammar!.Windows;
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
        if (windows.Count == 0)
            return Operation.ClockStep(1);
        var window = windows[_random.Below(windows.Count)];
        var (address, size) = Aim(window);
        return _random.OneIn(3) ? Operation.Read(window.Space, address, size) : Operation.Write(window.Space, address, size, _random.OneIn(2) ? Word() : _random.Next());
    }

    // A declared register in its width, mostly.
    private (ulong Address, int Size) Aim(Window window)
    {
        var (offset, size) = ((ulong)_random.Below((int)Math.Min(window.Length, int.MaxValue)), 1 << _random.Below(4));
        if (window.Registers.Count > 0 && !_random.OneIn(8))
        {
            var register = window.Registers[_random.Below(window.Registers.Count)];
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
        var window = _grammar!.Of(space).FirstOrDefault(window => window.Contains(address));
        if (window is null)
            return operation;
        var (to, size) = Aim(window);
        return operation.Kind == OperationKind.Read ? Operation.Read(space, to, size) : Operation.Write(space, to, size, operation.Value);
    }
}
