using System.Numerics;
using System.Runtime.CompilerServices;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>256 bits, one for each interrupt vector: IRR, ISR and TMR of a local APIC.</summary>
[InlineArray(8)]
internal struct VectorSet
{
    private uint _word0;

    public readonly bool Contains(byte vector) => (this[vector >> 5] & (1u << (vector & 31))) != 0;

    public void Set(byte vector) => this[vector >> 5] |= 1u << (vector & 31);

    public void Clear(byte vector) => this[vector >> 5] &= ~(1u << (vector & 31));

    /// <summary>The highest vector in the set, or -1.</summary>
    public readonly int Highest()
    {
        for (var i = 7; i >= 0; i--)
        {
            if (this[i] != 0)
                return i * 32 + BitOperations.Log2(this[i]);
        }
        return -1;
    }

    public readonly void Save(StateWriter writer)
    {
        for (var i = 0; i < 8; i++)
            writer.UInt32(this[i]);
    }

    public void Load(ref StateReader reader)
    {
        for (var i = 0; i < 8; i++)
            this[i] = reader.UInt32();
    }
}
