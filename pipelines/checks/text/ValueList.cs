namespace Gauntlet.Pipelines.Checks.Text;

/// <summary>A list of values. The library's list of a struct of ours would be compiled anew at each start; this is compiled with the program.</summary>
public sealed class ValueList<T>
    where T : struct
{
    private T[] _items = new T[8];

    public int Count { get; private set; }

    public ReadOnlySpan<T> Items => _items.AsSpan(0, Count);

    public T this[int index] => Items[index];

    public void Add(T item)
    {
        if (Count == _items.Length)
            Array.Resize(ref _items, 2 * Count);
        _items[Count++] = item;
    }

    public void RemoveLast() => Count--;

    public void Clear() => Count = 0;
}
